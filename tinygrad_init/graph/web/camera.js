// Which part of the drawing is seen: pan, zoom, fit.

const LARGEST = 6, SMALLEST = 0.02;
const LARGEST_FIT = 1.8;   // a small graph does not fill a projector with three letters
const READABLE = 0.7;      // at which scale the text of a node can be read, where text is 16 pixels
const FAR = 0.2;           // at which scale it is only noise, and costs most of the time
const MARGIN = 24;         // pixels around what is to be seen

class Camera {
  constructor(svg, stage) {
    this.svg = svg;
    this.stage = stage;
    this.isFitted = true;      // until somebody pans or zooms
    this.x = this.y = 0;       // what is in the middle
    this.scale = 1;
    this.goal = { x: 0, y: 0, scale: 1 };  // where a movement leads
    this.root = svg.querySelector("g.graph");
    svg.removeAttribute("viewBox");
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    this.#listen();
  }

  /** The height of the legend, which lies over the stage. */
  get below() {
    return this.stage.parentElement.querySelector(".legend").offsetHeight;
  }

  get size() {
    return [this.stage.clientWidth || 1, this.stage.clientHeight || 1];
  }

  #look({ x, y, scale }) {
    Object.assign(this, { x, y, scale });
    const [left, top] = this.onStage([0, 0]);
    this.root.style.transform = `translate(${left}px,${top}px) scale(${scale})`;
    this.root.classList.toggle("far", scale < FAR);
    this.onLook?.();
  }

  #go(goal, isAnimated = true) {
    const { x, y, scale } = this;
    this.stop?.();
    this.goal = goal;
    this.stop = animated((part) => this.#look({
      x: x + (goal.x - x) * part, y: y + (goal.y - y) * part,
      scale: scale * (goal.scale / scale) ** part,
    }), isAnimated);
  }

  /** The scale at which a node can be read: larger on a projector, and where text shall be large. */
  get readable() {
    return READABLE * parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
  }

  /** The scale at which a box can be seen as a whole. */
  scaleFor([, , width, height]) {
    const [across, down] = this.size;
    const room = (length) => Math.max(40, length - 2 * MARGIN);
    return Math.min(LARGEST_FIT, room(across) / width, room(down - this.below) / height);
  }

  fit(box, isAnimated = true) {
    this.isFitted = true;
    const scale = this.scaleFor(box), [x, y] = middle(box);
    this.#go({ x, y: y + this.below / 2 / scale, scale }, isAnimated);
  }

  /** Moves no more than it takes to see a box, large enough to read it. */
  show(box) {
    const from = this.goal;
    const scale = Math.max(from.scale, Math.min(this.readable, this.scaleFor(box)));
    const [width, height] = this.size.map((length) => length / scale);
    const goal = { ...from, scale };
    for (const [axis, length, k] of [["x", width, 0], ["y", height, 1]]) {
      const room = MARGIN / scale, below = k ? this.below / scale : 0;
      const low = box[k] - room, high = box[k] + box[k + 2] + room + below;
      if (high - low > length) goal[axis] = (low + high) / 2;
      else goal[axis] = Math.min(low + length / 2, Math.max(high - length / 2, from[axis]));
    }
    if (goal.x === from.x && goal.y === from.y && goal.scale === from.scale) return;
    this.isFitted = false;
    this.#go(goal);
  }

  panBy(dx, dy) {
    this.isFitted = false;
    const { x, y, scale } = this;
    this.#go({ x: x - dx / scale, y: y - dy / scale, scale }, false);
  }

  /** Zooms around a point of the stage, in its middle unless said. */
  zoomBy(factor, at = this.size.map((length) => length / 2), isAnimated = false) {
    this.isFitted = false;
    const scale = Math.min(LARGEST, Math.max(SMALLEST, this.scale * factor));
    const [across, down] = this.size.map((length, k) => at[k] - length / 2);
    const shift = 1 / this.scale - 1 / scale;
    this.#go({ x: this.x + across * shift, y: this.y + down * shift, scale }, isAnimated);
  }

  /** Where a point of the drawing is on the stage. */
  onStage([x, y]) {
    const [width, height] = this.size;
    return [width / 2 + (x - this.x) * this.scale, height / 2 + (y - this.y) * this.scale];
  }

  /** Shifts what is seen, also where a movement leads. */
  shift(dx, dy) {
    this.goal = { ...this.goal, x: this.goal.x + dx, y: this.goal.y + dy };
    this.#look({ x: this.x + dx, y: this.y + dy, scale: this.scale });
  }

  refresh() {
    this.#look(this);
  }

  // Mouse, pen and fingers.

  #listen() {
    const fingers = new Map();
    const at = (event) => {
      const { left, top } = this.stage.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    };
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const unit = event.deltaMode === 1 ? 30 : 1;
      this.zoomBy(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0015)), at(event));
    }, { passive: false });
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button")) return;
      fingers.set(event.pointerId, at(event));
      this.wasDragged = false;
    });
    this.stage.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before) return;
      const [x, y] = at(event);
      const [other] = [...fingers.keys()].filter((id) => id !== event.pointerId);
      if (distance([x, y], before) < 4 && !this.wasDragged) return;
      if (!this.wasDragged) this.stage.setPointerCapture(event.pointerId);
      this.wasDragged = true;
      if (other !== undefined) this.#pinch(before, [x, y], fingers.get(other));
      else this.panBy(x - before[0], y - before[1]);
      fingers.set(event.pointerId, [x, y]);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.stage.addEventListener(end, (event) => fingers.delete(event.pointerId));
    }
    new ResizeObserver(() => this.onResize?.()).observe(this.stage);
  }

  /** One finger moves from one place to another while the other one rests. */
  #pinch(from, to, other) {
    const apart = (one) => Math.max(1, distance(one, other));
    const centre = (one) => [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
    const [before, after] = [centre(from), centre(to)];
    this.zoomBy(apart(to) / apart(from), before);
    this.panBy(after[0] - before[0], after[1] - before[1]);
  }
}
