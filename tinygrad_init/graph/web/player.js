// The computation, step by step: forward one node at a time, then backward one use at a time.
//
// Steps are data, and a step is shown by what is known after it. So any step can be shown at any
// time: the buttons, the keys and the slider all just say which.

const PAUSE = 1600;  // milliseconds a step is shown at speed 1
const PHASES = {
  start: "Start", forward: "Forward", seed: "Backward", backward: "Backward", end: "Complete",
};

/** The steps of a graph, from where nothing is known to where everything is. */
function stepsOf(graph) {
  return [
    { phase: "start" },
    ...graph.nodes.map((_, node) => ({ phase: "forward", node })),
    ...(graph.seed ? [{ phase: "seed", node: graph.nodes.length - 1 }] : []),
    ...graph.terms.map((_, term) => ({ phase: "backward", term })),
    { phase: "end" },
  ];
}

class Player {
  constructor(graph, drawing, camera, page) {
    Object.assign(this, { graph, drawing, camera, page });
    this.steps = stepsOf(graph);
    this.counts = new Map(["forward", "seed", "backward"].map((phase) => (
      [phase, this.steps.filter((step) => step.phase === phase).length])));
    this.at = this.steps.length - 1;
    this.speed = 1;
    this.shown = graph.nodes.map(() => "");
    this.overlay = this.#overlay();
    this.#setUpSlider();
    this.show(this.at, false);
  }

  get isPlaying() {
    return this.timer !== undefined;
  }

  // Going somewhere.

  show(at, isFollowed = true) {
    this.at = Math.max(0, Math.min(this.steps.length - 1, at));
    const step = this.steps[this.at];
    this.#showStates();
    this.#showPlace(step);
    this.#showWords(step);
    this.highlight();
    if (isFollowed) this.#follow(step);
    if (this.at === this.steps.length - 1) this.pause();
  }

  next() {
    this.show(this.at === this.steps.length - 1 ? 0 : this.at + 1);
  }

  back() {
    this.show(this.at - 1);
  }

  /** To the next node, or the one before: over the other uses that the same node adds to. */
  skip(direction) {
    const name = (at) => JSON.stringify([this.steps[at].phase, this.#marks(this.steps[at]).active]);
    let at = this.at + direction;
    while (this.steps[at + direction] && name(at) === name(at + direction)) at += direction;
    this.show(at);
  }

  play() {
    if (this.isPlaying) return;
    if (this.at === this.steps.length - 1) this.show(0);
    this.timer = setInterval(() => this.next(), PAUSE / this.speed);
    this.page.say("playing");
    this.#showPlay();
  }

  pause() {
    clearInterval(this.timer);
    this.timer = undefined;
    this.#showPlay();
  }

  setSpeed(speed) {
    this.speed = speed;
    if (!this.isPlaying) return;
    this.pause();
    this.play();
  }

  // What is known after a step.

  /** For every node: whether its value is known, and what its gradient has received. */
  #known() {
    const { phase, node, term } = this.steps[this.at];
    const { nodes, terms, seed } = this.graph;
    const isBackward = ["seed", "backward", "end"].includes(phase);
    const values = isBackward ? nodes.length : phase === "forward" ? node + 1 : 0;
    const count = phase === "end" ? terms.length : phase === "backward" ? term + 1 : 0;
    const received = new Map(isBackward && seed ? [[nodes.length - 1, { isWhole: true }]] : []);
    for (const { node: receiver, rows, isLast } of terms.slice(0, count)) {
      received.set(receiver, { rows, isWhole: isLast });
    }
    if (phase === "end") nodes.forEach((_, k) => received.set(k, { isWhole: true }));
    return { values, received };
  }

  #showStates() {
    const { values, received } = this.#known();
    this.drawing.nodes.forEach(({ group }, k) => {
      const { rows, isWhole } = received.get(k) ?? {};
      const gradient = !received.has(k) ? "unknown" : isWhole ? "whole" : "partial";
      const state = `${k < values ? "known" : "unknown"} ${gradient} ${isWhole ? "" : rows}`;
      if (this.shown[k] === state) return;
      this.shown[k] = state;
      group.classList.toggle("future", k >= values);
      group.classList.toggle("no-gradient", gradient === "unknown");
      group.classList.toggle("partial", gradient === "partial");
      this.drawing.writeGradient(k, isWhole ? null : rows);
    });
    this.drawing.edges.forEach(({ group }, k) => {
      group.classList.toggle("future", this.graph.edges[k][1] >= values);
    });
    this.drawing.modules.forEach(({ group }, s) => {
      const { output } = this.graph.scopes[s];
      group.classList.toggle("future", (output ?? this.graph.lastInside(s)) >= values);
      group.classList.toggle("no-gradient", !received.get(output)?.isWhole);
    });
  }

  // What is looked at: rings around boxes, and the use that gradients flow along.

  #overlay() {
    const parts = {
      flow: made("path", { class: "flow" }), arrow: made("polygon", { class: "flow-arrow" }),
      badge: made("g", { class: "badge" }),
    };
    parts.box = made("rect", { rx: 7 });
    parts.text = made("text");
    parts.badge.append(parts.box, parts.text);
    this.drawing.above.append(parts.flow, parts.arrow, parts.badge);
    return parts;
  }

  #marks({ phase, node, term }) {
    if (phase === "forward" || phase === "seed") return { active: node };
    if (phase !== "backward") return {};
    const { node: receiver, edge } = this.graph.terms[term];
    return edge === null ? { receiver } : { receiver, active: this.graph.edges[edge][1] };
  }

  highlight() {
    const step = this.steps[this.at];
    const marks = this.#marks(step);
    for (const mark of ["active", "receiver"]) {
      for (const old of this.drawing.root.querySelectorAll(`.${mark}`)) old.classList.remove(mark);
      if (marks[mark] !== undefined) this.drawing.standIn(marks[mark]).element.classList.add(mark);
    }
    const isIncoming = (k) => step.phase === "forward" && this.graph.edges[k][1] === step.node;
    this.drawing.edges.forEach(({ group }, k) => group.classList.toggle("incoming", isIncoming(k)));
    this.#showFlow(step.phase === "backward" ? this.graph.terms[step.term] : null);
  }

  #showFlow(term) {
    const edge = term && term.edge !== null ? this.drawing.shownEdge(term.edge) : -1;
    this.drawing.edges.forEach(({ group }, k) => group.classList.toggle("flowing", k === edge));
    const line = this.drawing.now.edges[edge];
    const { flow, arrow, badge, box, text } = this.overlay;
    for (const part of [flow, arrow, badge]) part.classList.toggle("gone", !line);
    if (!line) return;
    const { path, arrow: corners } = drawnEdge([...line].reverse());
    flow.setAttribute("d", path);
    arrow.setAttribute("points", corners);
    text.textContent = term.badge;
    badge.classList.toggle("gone", !term.badge);
    const size = [text.getComputedTextLength() + 14, 22];
    const [x, y] = this.#besides(line, size);
    given(box, { x: -size[0] / 2, y: -size[1] / 2, width: size[0], height: size[1] });
    badge.setAttribute("transform", `translate(${x.toFixed(1)},${y.toFixed(1)})`);
  }

  /** The middle of a box of this size near a line, where it hides as little as possible. */
  #besides(line, size) {
    const boxes = this.graph.nodes.map((_, k) => this.drawing.standIn(k).box);
    const hidden = (at) => total(boxes.map((box) => overlap(around(at, size), box)));
    const places = [0, 12, 28, 60].flatMap((away) => {
      const [across, down] = [size[0] / 2 + 8 + away, size[1] / 2 + 8 + away];
      const shifts = [
        [across, 0], [-across, 0], [0, -down], [0, down],
        [across, -down], [-across, down], [across, down], [-across, -down],
      ];
      return [12, 8, 16].flatMap((k) => shifts.map((shift) => plus(line[k], shift)));
    });
    return places.reduce((best, at) => (hidden(at) < hidden(best) - 1 ? at : best));
  }

  #follow(step) {
    const boxes = Object.values(this.#marks(step)).map((node) => this.drawing.standIn(node).box);
    if (boxes.length) this.camera.show(boxAround(boxes));
  }

  // The bar below.

  #setUpSlider() {
    const { slider } = this.page;
    slider.max = this.steps.length - 1;
    const backward = 1 + this.counts.get("forward");
    slider.style.setProperty("--turn", `${100 * backward / (this.steps.length - 1)}%`);
  }

  #showPlace({ phase, node, term }) {
    const { slider, count, phaseName } = this.page;
    slider.value = this.at;
    slider.style.setProperty("--at", `${100 * this.at / (this.steps.length - 1)}%`);
    const place = { forward: node + 1, backward: term + 1 }[phase];
    phaseName.textContent = PHASES[phase];
    phaseName.dataset.phase = phase === "seed" ? "backward" : phase;
    this.drawing.svg.dataset.phase = phaseName.dataset.phase;
    count.textContent = place ? `${place} of ${this.counts.get(phase)}` : "";
    slider.setAttribute("aria-valuetext", `${PHASES[phase]} ${count.textContent}`);
  }

  #showWords({ phase, node, term }) {
    const { words } = this.page;
    const { nodes, terms } = this.graph;
    const paragraph = (text) => Object.assign(document.createElement("p"), { textContent: text });
    for (const old of document.querySelectorAll("li.now")) old.classList.remove("now");
    document.querySelector(`#term-${term}`)?.classList.add("now");
    const copies = (selector) => (
      [...document.querySelectorAll(selector)].map((found) => found.cloneNode(true)));
    if (phase === "forward") {
      words.replaceChildren(...copies(`#about-${nodes[node].id} > .worked`));
      this.page.say(nodes[node].worked);
    } else if (phase === "seed") {
      words.replaceChildren(...copies(`#about-${nodes[node].id} > .seed`));
      this.page.say(words.textContent);
    } else if (phase === "backward") {
      words.replaceChildren(...copies(`#term-${term} > p:not(.through)`));
      this.page.say(terms[term].spoken);
    } else {
      const ways = this.graph.seed ? ", forward and then backward" : "";
      words.replaceChildren(paragraph(phase === "start"
        ? "Nothing is computed yet. Each step computes one node from those before it."
        : `All numbers are here. Step through how they came about${ways}.`));
      this.page.say(words.textContent);
    }
  }

  #showPlay() {
    this.page.playButton.classList.toggle("playing", this.isPlaying);
    this.page.playButton.setAttribute("aria-label", this.isPlaying ? "pause" : "play");
  }
}

/** The smallest box around several. */
function boxAround(boxes) {
  const [left, top] = [0, 1].map((axis) => Math.min(...boxes.map((box) => box[axis])));
  const ends = (axis) => Math.max(...boxes.map((box) => box[axis] + box[axis + 2]));
  return [left, top, ends(0) - left, ends(1) - top];
}

/** The area that two boxes share. */
function overlap(one, other) {
  const shared = [0, 1].map((axis) => Math.max(0, Math.min(one[axis] + one[axis + 2],
    other[axis] + other[axis + 2]) - Math.max(one[axis], other[axis])));
  return shared[0] * shared[1];
}
