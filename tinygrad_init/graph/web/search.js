// Finding nodes.

/** Nodes by name, operation or id. */
class Search {
  constructor(page) {
    this.page = page;
    this.input = one(".search input");
    this.matches = [];
    this.at = -1;
    this.input.addEventListener("input", () => this.#look());
    one(".search").addEventListener("submit", (event) => event.preventDefault());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.go(event.shiftKey ? -1 : 1);
    });
  }

  get isOpen() {
    return this.input.value !== "" || document.activeElement === this.input;
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  close() {
    this.input.value = "";
    this.#look();
    this.input.blur();
  }

  #look() {
    const asked = this.input.value.trim().toLowerCase();
    const { nodes } = this.page.graph;
    this.matches = asked ? [...nodes.keys()].filter((k) => nodes[k].find.includes(asked)) : [];
    const isExact = ({ id, name }) => id === asked || name.toLowerCase() === asked;
    const exact = this.matches.findIndex((k) => isExact(nodes[k]));
    this.at = Math.max(exact, 0) - 1;  // the next one is shown
    const found = new Set(this.matches);
    this.page.drawing.nodes.forEach(({ group }, k) => {
      group.classList.toggle("match", found.has(k));
    });
    if (this.matches.length) this.go(1);
    else this.#count(asked);
  }

  go(direction) {
    const { matches, page } = this;
    if (!matches.length) return;
    this.at = (this.at + direction + matches.length) % matches.length;
    const k = matches[this.at];
    page.reveal(k);
    page.choose(k);
    page.camera.show(page.drawing.goal.nodes[k]);
    this.#count(this.input.value);
  }

  #count(asked) {
    const found = this.matches.length ? `${this.at + 1} of ${this.matches.length}` : "none";
    one(".search output").textContent = asked ? found : "";
  }
}
