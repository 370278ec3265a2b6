// Brings the page to life: buttons, keys, search, and the card of the node that was chosen.

/** The data that the page carries, with what follows from it. */
function readGraph() {
  const graph = JSON.parse(one("#graph-data").textContent);
  const place = new Map(graph.scopes.map((scope, s) => [scope.id, s]));
  const around = graph.scopes.map(({ outer }) => (outer ? place.get(outer) : -1));
  const home = graph.nodes.map(({ scope }) => (scope ? place.get(scope) : -1));
  const outermost = (s, closed) => {
    let found = -1;
    for (; s >= 0; s = around[s]) if (closed.has(s)) found = s;
    return found;
  };
  const users = graph.nodes.map(() => []);
  for (const [source, target] of graph.edges) users[source].push(target);
  // A parameter is in no call of its module, but where all calls that use it are closed.
  const holds = (s, k) => s >= 0 && graph.nodes[k].holders.includes(s);
  const closedAround = (k, closed) => {
    if (home[k] >= 0 || !graph.nodes[k].holders.length) return outermost(home[k], closed);
    const found = users[k].map((user) => outermost(home[user], closed));
    return found.length && found.every((s) => holds(s, k)) ? found[0] : -1;
  };
  const insides = graph.scopes.map(() => []);
  home.forEach((s, k) => { for (; s >= 0; s = around[s]) insides[s].push(k); });
  graph.scopes.forEach((scope, s) => { scope.count = insides[s].length; });
  return Object.assign(graph, {
    around,
    home,
    users,
    holds,
    closedAround,
    closedOver: (s, closed) => outermost(around[s], closed),
    lastInside: (s) => insides[s].at(-1),
    depth: (s) => (around[s] < 0 ? 0 : 1 + graph.depth(around[s])),
  });
}

class Page {
  constructor() {
    this.slider = one(".progress");
    this.count = one(".count");
    this.phaseName = one(".phase");
    this.words = one(".words");
    this.playButton = one('[data-do="play"]');
    this.stage = one(".drawing");
    document.documentElement.classList.add("live");
    for (const element of document.querySelectorAll("[data-live]")) element.hidden = false;
    this.graph = readGraph();
    this.drawing = new Drawing(one(".drawing svg"), this.graph);
    this.camera = new Camera(this.drawing.svg, this.stage);
    this.player = new Player(this.graph, this.drawing, this.camera, this);
    this.search = new Search(this);
    this.tooltip = new Tooltip(this);
    this.chosen = -1;
    this.#openWhatCanBeRead();
    this.#setUpStage();
    this.#setUpNodes();
    this.#setUpButtons();
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** For those who listen; not while playing, which nobody could follow. */
  say(words) {
    one(".spoken").textContent = this.player?.isPlaying ? "" : words;
  }

  // Modules.

  /** At first as much is open, and in the direction, as can be read without zooming. */
  #openWhatCanBeRead() {
    const depths = this.graph.scopes.map((_, s) => this.graph.depth(s));
    const levels = [...new Set(depths)].sort((a, b) => b - a);
    let best;
    for (const level of [Infinity, ...levels]) {
      const closed = new Set(depths.flatMap((depth, s) => (depth >= level ? [s] : [])));
      best = this.#turned(closed);
      if (best.scale >= this.camera.readable) break;
    }
    this.drawing.change(best, false);
    this.camera.fit(this.drawing.goal.box, false);
    this.#afterChange();
  }

  /** The direction that suits the window, from left to right unless another one is much larger. */
  #turned(closed) {
    const { graph, drawing, camera } = this;
    const choices = graph.isWanted ? [drawing.direction] : Object.keys(graph.layouts);
    const scales = choices.map((direction) => (
      [camera.scaleFor(drawing.arranged(direction, closed).box), direction]));
    const [scale, direction] = scales.reduce((best, one) => (one[0] > best[0] * 1.2 ? one : best));
    return { scale, direction, closed };
  }

  #change(change, anchor) {
    const { drawing, camera } = this;
    const isFitted = camera.isFitted;
    let before = anchor?.();
    drawing.change(change, true, () => {
      if (!isFitted && anchor) {
        const after = anchor();
        camera.shift(after[0] - before[0], after[1] - before[1]);
        before = after;
      }
      this.player.highlight();
    });
    if (isFitted) camera.fit(drawing.goal.box);
    this.#afterChange();
  }

  toggle(s) {
    const closed = new Set(this.drawing.closed);
    if (!closed.delete(s)) closed.add(s);
    this.#change({ closed }, () => {
      const [x, y, width] = (closed.has(s) ? this.drawing.now.modules : this.drawing.now.scopes)[s];
      return [x + width / 2, y];
    });
    const { toggle } = this.drawing.scopes[s], { group } = this.drawing.modules[s];
    (closed.has(s) ? group : toggle).focus({ preventScroll: true });
    this.say(`${this.graph.scopes[s].title} is ${closed.has(s) ? "closed" : "open"}`);
  }

  toggleAll() {
    const { graph, drawing } = this;
    const closed = new Set(drawing.closed.size ? [] : graph.scopes.keys());
    this.camera.isFitted = true;
    this.#change(this.#turned(closed));
    this.say(closed.size ? "all modules are closed" : "all modules are open");
  }

  /** Opens whatever a node is in. */
  reveal(k) {
    const closed = new Set(this.drawing.closed);
    const { home, around, users } = this.graph;
    const one = this.drawing.closedAround(k) >= 0 && home[k] < 0 ? users[k][0] : k;
    for (let s = home[one]; s >= 0; s = around[s]) closed.delete(s);
    if (closed.size === this.drawing.closed.size) return;
    this.#change({ closed });
  }

  turn() {
    this.#change({ direction: this.drawing.direction === "LR" ? "TB" : "LR" });
  }

  #afterChange() {
    const [name] = document.querySelectorAll('[data-do="modules"] span');
    name.textContent = this.drawing.closed.size ? "Open all" : "Close all";
    this.player.highlight();
  }

  // The stage.

  #setUpStage() {
    const { camera, stage, drawing } = this;
    camera.onLook = () => this.tooltip.hide();
    camera.onResize = () => {
      if (camera.isFitted) camera.fit(drawing.goal.box, false);
      else camera.refresh();
    };
    stage.removeAttribute("tabindex");
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", "The graph");
    stage.addEventListener("click", (event) => {
      if (camera.wasDragged) return;
      if (!event.target.closest(".node, .module, .toggle, .cluster text, button")) this.choose(-1);
    });
    let step;  // at which it is printed; paper has all numbers
    addEventListener("beforeprint", () => {
      step = this.player.at;
      this.player.show(Infinity, false);
      this.#showAll();
    });
    addEventListener("afterprint", () => {
      this.player.show(step, false);
      drawing.svg.removeAttribute("viewBox");
      camera.refresh();
    });
  }

  #showAll() {
    this.drawing.svg.setAttribute("viewBox", this.drawing.goal.box.join(" "));
    this.camera.root.style.transform = "none";
  }

  #setUpNodes() {
    const { drawing, graph } = this;
    const act = (element, action) => {
      element.addEventListener("click", () => this.camera.wasDragged || action());
      element.addEventListener("keydown", (event) => event.key === "Enter" && action());
    };
    drawing.nodes.forEach(({ group }, k) => {
      given(group, { role: "button", tabindex: -1, "aria-label": graph.nodes[k].says });
      act(group, () => this.choose(k));
      this.tooltip.watch(group, k);
    });
    drawing.scopes.forEach(({ toggle, title }, s) => {
      act(toggle, () => this.toggle(s));
      title.addEventListener("click", () => this.camera.wasDragged || this.toggle(s));
    });
    drawing.modules.forEach(({ group }, s) => act(group, () => this.toggle(s)));
    // Not of the SVG itself, which would be taken for something that can have the focus.
    this.stage.addEventListener("focusin", ({ target }) => this.#onFocus(target));
    (this.order()[0])?.setAttribute("tabindex", 0);
  }

  /** What can have the focus, oldest first: nodes, and the modules before what is in them. */
  order() {
    const { drawing, graph } = this;
    const found = new Set();
    drawing.nodes.forEach((_, k) => {
      const chain = [];
      for (let s = graph.home[k]; s >= 0; s = graph.around[s]) chain.unshift(s);
      for (const s of chain) {
        const isClosed = drawing.closed.has(s);
        found.add(isClosed ? drawing.modules[s].group : drawing.scopes[s].toggle);
        if (isClosed) return;
      }
      if (drawing.closedAround(k) < 0) found.add(drawing.nodes[k].group);
    });
    return [...found];
  }

  #onFocus(target) {
    const old = this.drawing.svg.querySelector('[tabindex="0"]');
    old?.setAttribute("tabindex", -1);
    target.setAttribute("tabindex", 0);
  }

  /** Up and down: to the next thing in the order. */
  #step(direction) {
    const order = this.order();
    const at = order.indexOf(document.activeElement);
    const next = at < 0 ? (direction > 0 ? 0 : order.length - 1) : at + direction;
    if (!order[next]) return;
    order[next].focus({ preventScroll: true });
    const k = this.drawing.nodes.findIndex(({ group }) => group === order[next]);
    if (k >= 0) this.camera.show(this.drawing.goal.nodes[k]);
    if (k >= 0 && this.chosen >= 0) this.choose(k);
  }

  // The card of a node.

  choose(k) {
    const before = this.chosen;
    for (const old of document.querySelectorAll(".chosen")) old.classList.remove("chosen");
    this.chosen = k;
    one(".panel").classList.toggle("has-card", k >= 0);
    if (k < 0) {
      const wasInside = before >= 0 && one(".panel").contains(document.activeElement);
      if (wasInside) this.drawing.nodes[before].group.focus();
      return;
    }
    this.drawing.nodes[k].group.classList.add("chosen");
    const card = one(`#about-${this.graph.nodes[k].id}`);
    card.classList.add("chosen");
    one(".panel").scrollTop = 0;
    document.documentElement.classList.remove("no-panel");
    this.tooltip.hide();
  }

  // Buttons and keys.

  #setUpButtons() {
    const root = document.documentElement;
    const actions = {
      first: () => this.player.show(0),
      back: () => this.player.back(),
      play: () => (this.player.isPlaying ? this.player.pause() : this.player.play()),
      next: () => this.player.next(),
      last: () => this.player.show(Infinity),
      in: () => this.camera.zoomBy(1.3, undefined, true),
      out: () => this.camera.zoomBy(1 / 1.3, undefined, true),
      fit: () => this.camera.fit(this.drawing.goal.box),
      turn: () => this.turn(),
      modules: () => this.toggleAll(),
      text: () => {
        root.dataset.text = { medium: "large", large: "" }[root.dataset.text] ?? "medium";
      },
      theme: () => {
        const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
        const now = root.dataset.theme ?? (isDark ? "dark" : "light");
        root.dataset.theme = now === "dark" ? "light" : "dark";
      },
      table: () => root.classList.toggle("with-table"),
      help: () => one(".help").showModal(),
      panel: () => (this.chosen >= 0 ? this.choose(-1) : root.classList.add("no-panel")),
      "search-next": () => this.search.go(1),
      "search-back": () => this.search.go(-1),
    };
    this.actions = actions;
    document.addEventListener("click", (event) => {
      actions[event.target.closest("[data-do]")?.dataset.do]?.();
    });
    this.slider.addEventListener("input", () => {
      this.player.pause();
      this.player.show(Number(this.slider.value));
    });
    one(".speed").addEventListener("change", ({ target }) => (
      this.player.setSpeed(Number(target.value))));
    one('[data-do="modules"]').hidden = !this.graph.scopes.length;
    one('[data-do="turn"]').hidden = Object.keys(this.graph.layouts).length < 2;
  }

  #onKey(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    if (key === "Escape") return this.#escape();
    if (target.matches(".search input, select")) return;
    if (target === this.slider && /Arrow(Up|Down)/.test(key)) return;
    const isButton = target.matches("button") && key === " ";
    const { actions } = this;
    const keys = {
      ArrowRight: actions.next, ArrowLeft: actions.back, Home: actions.first, End: actions.last,
      PageDown: () => this.player.skip(1), PageUp: () => this.player.skip(-1), " ": actions.play,
      ArrowDown: () => this.#step(1), ArrowUp: () => this.#step(-1), "/": () => this.search.focus(),
      "+": actions.in, "=": actions.in, "-": actions.out, "0": actions.fit, "?": actions.help,
      t: actions.turn, m: actions.modules, a: actions.text, d: actions.theme,
    };
    if (!Object.hasOwn(keys, key) || isButton) return;
    if (key.startsWith("Arrow") && key !== "ArrowDown" && key !== "ArrowUp") this.player.pause();
    event.preventDefault();
    keys[key]();
  }

  #escape() {
    if (this.search.isOpen) this.search.close();
    else if (this.player.isPlaying) this.player.pause();
    else this.choose(-1);
  }
}

new Page();
