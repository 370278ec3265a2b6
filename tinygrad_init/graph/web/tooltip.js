// What is told of a node without choosing it.

const GAP_BELOW = 8;  // pixels between a node and what is told of it

/** What is under the mouse, or has the focus, in short. */
class Tooltip {
  constructor(page) {
    this.page = page;
    this.box = one(".tooltip");
  }

  watch(group, k) {
    group.addEventListener("pointerenter", ({ pointerType }) => (
      pointerType !== "touch" && this.#show(k)));
    group.addEventListener("pointerleave", () => this.hide());
    group.addEventListener("focus", () => group.matches(":focus-visible") && this.#show(k));
    group.addEventListener("blur", () => this.hide());
  }

  hide() {
    this.box.hidden = true;
  }

  #show(k) {
    const { graph, drawing } = this.page;
    const { id, gradient } = graph.nodes[k];
    const card = one(`#about-${id}`);
    const parts = ["h3", ".worked", "dl > .general"].map((part) => (
      card.querySelector(`:scope > ${part}`)?.cloneNode(true) ?? ""));
    const line = document.createElement("p");
    line.textContent = `gradient ${gradient}`;
    this.box.replaceChildren(...parts, gradient === null ? "" : line);
    this.box.hidden = false;
    this.#place(drawing.now.nodes[k]);
  }

  /** Below a box of the drawing, or above it where there is no room. */
  #place([x, y, width, height]) {
    const { camera } = this.page;
    const [left, top] = camera.onStage([x, y]);
    const [right, bottom] = camera.onStage([x + width, y + height]);
    const [across, down] = camera.size;
    const { offsetWidth, offsetHeight } = this.box;
    const middleOfBox = (left + right - offsetWidth) / 2;
    const isBelow = bottom + GAP_BELOW + offsetHeight < down;
    const from = Math.max(6, Math.min(across - offsetWidth - 6, middleOfBox));
    const at = isBelow ? bottom + GAP_BELOW : Math.max(6, top - GAP_BELOW - offsetHeight);
    this.box.style.left = `${from}px`;
    this.box.style.top = `${at}px`;
  }
}
