// The drawing in the document: Graphviz's SVG, with modules that close, and states of nodes.

const SVG = "http://www.w3.org/2000/svg";
const DURATION = 350;    // of a movement, in milliseconds
const MOVABLE = 600;     // edges; more of them jump, since they would only stutter
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

const one = (selector) => document.querySelector(selector);

/** An SVG element with attributes, and text that is only ever text. */
function made(name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  element.textContent = text;
  return given(element, attributes);
}

/** An element, after it was given attributes. */
function given(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** A plus or a minus in a box. */
function sign(path) {
  return [made("rect", { x: -9, y: -9, width: 18, height: 18, rx: 5 }), made("path", { d: path })];
}

/** Calls `draw` with 0 to 1 over a moment, or with 1 at once where movement is not wanted. */
function animated(draw, isWanted = true) {
  if (!isWanted || CALM.matches) {
    draw(1);
    return () => {};
  }
  const began = performance.now();
  let frame = requestAnimationFrame(function next(now) {
    const part = Math.min(1, Math.max(0, (now - began) / DURATION));
    if (part < 1) frame = requestAnimationFrame(next);
    draw(part < 1 ? part * part * (3 - 2 * part) : 1);
  });
  return () => cancelAnimationFrame(frame);
}

class Drawing {
  constructor(svg, graph) {
    this.svg = svg;
    this.graph = graph;
    this.direction = graph.first;
    this.root = svg.querySelector("g.graph");
    this.closed = new Set();
    const groups = this.#groupsByTitle();
    const next = (title) => groups.get(title).shift();
    this.nodes = graph.nodes.map((node) => this.#node(next(node.id), node));
    this.edges = graph.edges.map((ends) => (
      this.#edge(next(ends.map((node) => graph.nodes[node].id).join("->")))));
    this.scopes = graph.scopes.map((scope) => this.#scope(next(`cluster_${scope.id}`), scope));
    this.modules = graph.scopes.map((scope, s) => this.#module(scope, s));
    this.above = made("g", { class: "above" });
    this.root.append(this.above);
    this.sizes = this.modules.map(({ size }) => size);
    this.titles = this.scopes.map(({ title }) => title.getBBox().width + 40);
    this.now = this.goal = this.arranged(this.direction, this.closed);
    this.#place(this.now);
  }

  // What Graphviz has drawn. Its tooltips go: the page has better ones.

  #groupsByTitle() {
    const found = new Map();
    for (const group of this.root.querySelectorAll("g.node, g.edge, g.cluster")) {
      const title = group.querySelector("title");
      found.set(title.textContent, [...(found.get(title.textContent) ?? []), group]);
      title.remove();
    }
    for (const link of this.root.querySelectorAll("a")) link.removeAttribute("xlink:title");
    this.root.querySelector("title")?.remove();
    return found;
  }

  #node(group, node) {
    [...group.querySelectorAll("path, polygon")].at(-1).classList.add("outline");
    const texts = [...group.querySelectorAll("text")];
    if (node.together.length) texts.push(...this.#apart(texts.pop(), node.together));
    const [values, gradients] = node.rows;
    const gradient = texts.slice(texts.length - gradients);
    const value = texts.slice(texts.length - gradients - values, texts.length - gradients);
    value.forEach((text) => text.classList.add("value"));
    gradient.forEach((text) => text.classList.add("gradient"));
    return { group, gradient, final: gradient.map((text) => text.textContent) };
  }

  /** The parts of a line of text, which has value and gradient side by side. */
  #apart(text, parts) {
    const spans = parts.map((part) => made("tspan", {}, part));
    text.replaceChildren(...spans.flatMap((span, k) => (k ? ["   ", span] : [span])));
    return spans;
  }

  #edge(group) {
    const [line, arrow] = [group.querySelector("path"), group.querySelector("polygon")];
    const label = group.querySelector("text");
    const drawn = [line.getAttribute("d"), arrow.getAttribute("points")];
    return { group, line, arrow, label, drawn };
  }

  #scope(group, scope) {
    const [line, title] = [group.querySelector("path, polygon"), group.querySelector("text")];
    const toggle = made("g", { class: "toggle", role: "button", tabindex: -1, "aria-expanded": true,
      "aria-label": `close ${scope.title}` });
    toggle.append(...sign("M-4.5,0h9"));
    toggle.querySelector("rect").classList.add("outline");
    group.append(toggle);
    const at = [Number(title.getAttribute("x")), Number(title.getAttribute("y"))];
    return { group, line, title, toggle, at };
  }

  /** The box of a closed module, with what its one result is. */
  #module(scope, s) {
    const group = made("g", { class: "module gone", role: "button", tabindex: -1,
      "aria-expanded": false, "aria-label": `open ${scope.title}` });
    const rect = made("rect", { rx: 9, class: "outline" });
    const shadow = made("rect", { rx: 9, x: 4, y: 4, class: "behind" });
    const lines = [
      made("text", { class: "title" }, scope.title),
      made("text", { class: "count" }, `${scope.count} node${scope.count === 1 ? "" : "s"} inside`),
      ...["value", "gradient"].map((fact) => made("text", { class: fact }, scope[fact] ?? "")),
    ].filter((line) => line.textContent);
    lines.forEach((line, k) => line.setAttribute("y", 20 + 17 * k));
    group.append(...lines);
    this.root.append(group);
    const { width, height } = group.getBBox();
    lines.forEach((line) => line.setAttribute("x", 12 + width / 2));
    group.prepend(shadow, rect);
    const size = [width + 24, height + 18];
    for (const one of [rect, shadow]) given(one, { width: size[0], height: size[1] });
    const plus = made("g", { class: "sign", transform: `translate(${size[0] - 18},0)` });
    plus.append(...sign("M-4.5,0h9M0,-4.5v9"));
    group.append(plus);
    return { group, size };
  }

  // Closing and opening.

  /** Shows the drawing in another direction, or with other modules closed. */
  change({ direction = this.direction, closed = this.closed }, isAnimated = true, onMove = null) {
    const isSame = direction === this.direction && closed.size === this.closed.size
      && [...closed].every((s) => this.closed.has(s));
    if (isSame) return;
    this.direction = direction;
    this.closed = closed;
    const from = this.now, to = this.arranged(direction, closed);
    this.goal = to;
    this.stop?.();
    this.stop = animated((part) => {
      this.now = part < 1 ? between(from, to, part) : to;
      this.#place(this.now, part === 1);
      onMove?.(part);
    }, isAnimated && this.edges.length <= MOVABLE);
  }

  /** Where everything is in a direction, with these modules closed. */
  arranged(direction, closed) {
    return arrange(this.graph.layouts[direction], this.graph, closed, this.sizes, this.titles);
  }

  #place(places, isAtRest = true) {
    const first = this.graph.layouts[this.graph.first];
    const shift = (to, from) => `translate(${[0, 1].map((k) => (to[k] - from[k]).toFixed(2))})`;
    const isAsDrawn = isAtRest && this.direction === this.graph.first && !this.closed.size;
    this.nodes.forEach(({ group }, k) => {
      group.setAttribute("transform", shift(places.nodes[k], first.nodes[k]));
      group.classList.toggle("gone", this.closedAround(k) >= 0);
    });
    this.edges.forEach((edge, k) => {
      this.#placeEdge(edge, places.edges[k], places.labels[k], isAsDrawn);
    });
    this.scopes.forEach((scope, s) => this.#placeScope(scope, s, places, first));
    this.modules.forEach(({ group }, s) => {
      const isShown = this.closed.has(s) && this.closedOver(s) < 0;
      group.classList.toggle("gone", !isShown);
      group.setAttribute("transform", shift(places.modules[s], [0, 0]));
    });
  }

  #placeEdge({ group, line, arrow, label, drawn }, points, at, isAsDrawn) {
    group.classList.toggle("gone", !points);
    if (!points) return;
    const { path, arrow: corners } = isAsDrawn ? {} : drawnEdge(points);
    line.setAttribute("d", path ?? drawn[0]);
    arrow.setAttribute("points", corners ?? drawn[1]);
    if (!label) return;
    label.classList.toggle("gone", !at);
    if (at) [label.x.baseVal[0].value, label.y.baseVal[0].value] = at;
  }

  #placeScope({ group, line, title, toggle, at }, s, places, first) {
    const [x, y, width] = places.scopes[s];
    const isHidden = this.closed.has(s) || this.closedOver(s) >= 0;
    group.classList.toggle("gone", isHidden);
    if (line.localName === "path") line.setAttribute("d", roundedBox(places.scopes[s]));
    given(title, { x: x + at[0] - first.scopes[s][0], y: y + at[1] - first.scopes[s][1] });
    toggle.setAttribute("transform", `translate(${x + width - 22},${y})`);
  }

  closedAround(k) {
    return this.graph.closedAround(k, this.closed);
  }

  closedOver(s) {
    return this.graph.closedOver(s, this.closed);
  }

  // What a node, or the closed module that it is in, looks like.

  /** The element that stands for a node at present, and its box. */
  standIn(k) {
    const s = this.closedAround(k);
    return s < 0
      ? { element: this.nodes[k].group, box: this.goal.nodes[k] }
      : { element: this.modules[s].group, box: this.goal.modules[s] };
  }

  /** Writes what a node has received so far in place of its gradient; the gradient without rows. */
  writeGradient(k, rows) {
    const { gradient, final } = this.nodes[k];
    gradient.forEach((text, row) => {
      const shown = rows?.[row] ?? final[row];
      if (text.textContent === shown) return;
      text.dataset.width ??= text.getComputedTextLength();
      text.textContent = shown;
      text.removeAttribute("textLength");
      const room = Number(text.dataset.width) + 8;  // its compartment is this much wider
      if (text.getComputedTextLength() > room) {
        given(text, { textLength: room, lengthAdjust: "spacingAndGlyphs" });
      }
    });
  }

  /** The place of an edge, or of the one that is drawn in its stead; -1 if there is none. */
  shownEdge(k) {
    if (this.goal.edges[k]) return k;
    const ends = this.graph.edges[k].map((node) => this.standIn(node).element);
    return this.graph.edges.findIndex((other, i) => this.goal.edges[i]
      && other.every((node, end) => this.standIn(node).element === ends[end]));
  }
}
