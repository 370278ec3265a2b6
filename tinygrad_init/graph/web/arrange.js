// Where everything goes when modules are closed: arithmetic on coordinates, no document.
//
// Graphviz has laid the drawing out once. Closing a module does not lay it out anew, which would
// tear everything from its place; it only takes away the room that nothing needs any more, along
// each axis. So what was left of something stays left of it, and what was above stays above.

const POINTS = 24;       // of an edge, at equal distances: any two shapes of it can be blended
const GAP = 26;          // what remains of an empty stretch between two things that stay
const OUTSIDE = 48;      // the same outside of closed modules, where edges need more room
const AROUND = 12;       // around the box of a closed module
const PADDING = 9;       // between the border of an open module and what is in it
const TITLE = 24;        // the height of its title
const ARROW = 7, ARROW_HALF = 2.5;

const middle = ([x, y, width, height]) => [x + width / 2, y + height / 2];
const around = ([x, y], [width, height]) => [x - width / 2, y - height / 2, width, height];
const plus = (one, other) => one.map((length, axis) => length + other[axis]);
const distance = ([x, y], other) => Math.hypot(x - other[0], y - other[1]);
const total = (numbers) => numbers.reduce((sum, one) => sum + one, 0);

/** A map of one axis under which stretches that are kept stay as long as they are.
 *  Of the others, those inside a span that may shrink become short, but every span stays as long
 *  as it needs to be. */
function squeezed(kept, spans) {
  const cuts = [...new Set([...kept, ...spans].flatMap((one) => [one.from, one.to]))];
  cuts.sort((a, b) => a - b);
  const covers = (from, to) => (one) => one.from <= from && to <= one.to;
  const pieces = cuts.slice(1).map((to, k) => {
    const from = cuts[k], length = to - from;
    const shrinking = spans.filter((span) => span.shrinks && covers(from, to)(span));
    const isFree = !kept.some(covers(from, to)) && shrinking.length > 0;
    const gap = Math.min(...shrinking.map((span) => span.gap ?? GAP));
    return { from, to, isFree, length: isFree ? Math.min(length, gap) : length };
  });
  for (const span of spans) {
    const inside = pieces.filter((piece) => covers(piece.from, piece.to)(span));
    const lacking = span.need - total(inside.map((piece) => piece.length));
    if (lacking > 0) stretch(inside.filter((piece) => piece.isFree), lacking);
  }
  let start = cuts[0] ?? 0;
  for (const piece of pieces) {
    piece.start = start;
    start += piece.length;
  }
  return (at) => {
    const piece = pieces[firstWhere(pieces, (one) => at <= one.to)];
    if (!pieces.length || at <= cuts[0]) return at;
    if (!piece) return start + at - cuts.at(-1);
    return piece.start + (at - piece.from) * piece.length / (piece.to - piece.from);
  };
}

/** The place of the first one that passes, where all after it pass as well. */
function firstWhere(ordered, test) {
  let low = 0, high = ordered.length;
  while (low < high) {
    const half = (low + high) >> 1;
    if (test(ordered[half])) high = half; else low = half + 1;
  }
  return low;
}

/** Gives back some of the length that pieces have lost, in proportion to their loss. */
function stretch(pieces, lacking) {
  const lost = pieces.map((piece) => piece.to - piece.from - piece.length);
  const all = total(lost);
  pieces.forEach((piece, k) => {
    piece.length += all > 0 ? lacking * lost[k] / all : lacking / pieces.length;
  });
}

/** The places of everything, for one of Graphviz's layouts and a set of closed modules.
 *
 *  `graph.closedAround(k, closed)` is the outermost closed module around node k,
 *  `graph.closedOver(s, closed)` that around module s, both -1 if there is none; `sizes[s]` is how
 *  large a closed module is drawn and `titles[s]` how long its title is. */
function arrange(layout, graph, closed, sizes, titles) {
  const holders = layout.nodes.map((_, k) => graph.closedAround(k, closed));
  const seen = [...layout.scopes.keys()].filter((s) => graph.closedOver(s, closed) < 0);
  const boxes = seen.filter((s) => closed.has(s)), open = seen.filter((s) => !closed.has(s));
  const [across, down] = [0, 1].map((axis) => {
    if (!boxes.length) return (at) => at;
    const span = (box, more = {}) => ({ from: box[axis], to: box[axis] + box[axis + 2], ...more });
    const edge = (from, to) => ({ from, to });
    const kept = layout.nodes.filter((_, k) => holders[k] < 0).map((box) => span(box));
    for (const s of open) {
      const { from, to } = span(layout.scopes[s]);
      kept.push(edge(from, from + (axis ? TITLE : PADDING)), edge(to - PADDING, to));
    }
    return squeezed(kept, [
      ...boxes.map((s) => (
        span(layout.scopes[s], { need: sizes[s][axis] + 2 * AROUND, shrinks: true }))),
      span(layout.box, { need: 0, shrinks: true, gap: OUTSIDE }),
      ...(axis ? [] : open.map((s) => span(layout.scopes[s], { need: titles[s] }))),
    ]);
  });
  const moved = ([x, y]) => [across(x), down(y)];
  const movedBox = ([x, y, width, height]) => {
    const [left, top] = moved([x, y]), [right, bottom] = moved([x + width, y + height]);
    return [left, top, right - left, bottom - top];
  };
  const scopes = layout.scopes.map(movedBox);
  const modules = layout.scopes.map((_, s) => around(middle(scopes[s]), sizes[s]));
  const nodes = layout.nodes.map((box, k) => (holders[k] < 0
    ? around(middle(movedBox(box)), box.slice(2))
    : around(middle(modules[holders[k]]), box.slice(2))));
  const shown = new Set();
  const edges = layout.edges.map((curve, k) => {
    const ends = graph.edges[k].map((node) => holders[node]);
    if (ends[0] < 0 && ends[1] < 0) return spread(sampled(curve).map(moved));
    if (graph.holds(ends[1], graph.edges[k][0])) return null;  // of its parameters
    const name = graph.edges[k].map((node, end) => (ends[end] < 0 ? node : `s${ends[end]}`)).join();
    if (ends[0] === ends[1] || shown.has(name)) return null;  // inside, or drawn already
    shown.add(name);
    const [from, to] = ends.map((s) => (
      s < 0 ? null : { region: layout.scopes[s], box: modules[s] }));
    return rerouted(sampled(curve), from, to, moved);
  });
  const labels = layout.labels.map((at, k) => (
    at && graph.edges[k].every((node) => holders[node] < 0) ? moved(at) : null));
  return { box: movedBox(layout.box), nodes, scopes, modules, edges, labels };
}

/** An edge that ends at the box of a closed module, not at the node inside. */
function rerouted(points, from, to, moved) {
  const isIn = (end) => ([x, y]) => end && x >= end.region[0] && x <= end.region[0] + end.region[2]
    && y >= end.region[1] && y <= end.region[1] + end.region[3];
  const start = points.findLastIndex(isIn(from)) + 1;
  const rest = points.slice(start);
  const stop = rest.findIndex(isIn(to));
  const kept = (stop < 0 ? rest : rest.slice(0, stop)).map(moved);
  const goal = (end, other) => (other ? middle(other.box) : moved(end));
  const first = kept[0] ?? goal(points.at(-1), to), last = kept.at(-1) ?? goal(points[0], from);
  if (from) kept.unshift(onBorder(from.box, first));
  if (to) kept.push(onBorder(to.box, last));
  return spread(smoothed(smoothed(spread(kept))));
}

/** Where the line from the middle of a box to a point crosses its border. */
function onBorder(box, [x, y]) {
  const [cx, cy] = middle(box), dx = x - cx, dy = y - cy;
  const part = Math.min(1, box[2] / 2 / Math.abs(dx || 1e-9), box[3] / 2 / Math.abs(dy || 1e-9));
  return [cx + dx * part, cy + dy * part];
}

// Curves.

/** Points along Graphviz's Bézier curve, and the tip of the arrow. */
function sampled(curve) {
  const at = (k) => [curve[2 * k], curve[2 * k + 1]];
  const points = [at(0)];
  const tip = curve.length / 2 - 1;
  for (let k = 0; k + 3 < tip; k += 3) {
    for (let step = 1; step <= 8; step += 1) {
      points.push(onBezier([at(k), at(k + 1), at(k + 2), at(k + 3)], step / 8));
    }
  }
  return [...points, at(tip)];
}

function onBezier([a, b, c, d], t) {
  const s = 1 - t;
  return [0, 1].map((axis) => s ** 3 * a[axis] + 3 * s * s * t * b[axis]
    + 3 * s * t * t * c[axis] + t ** 3 * d[axis]);
}

/** The same line with POINTS points at equal distances. */
function spread(points) {
  const lengths = points.slice(1).map((point, k) => distance(point, points[k]));
  const step = total(lengths) / (POINTS - 1);
  const found = [points[0]];
  let k = 0, before = 0;
  for (let i = 1; i < POINTS - 1; i += 1) {
    while (k < lengths.length - 1 && before + lengths[k] < i * step) before += lengths[k++];
    const part = lengths[k] ? (i * step - before) / lengths[k] : 0;
    found.push(blended(points[k], points[k + 1], part));
  }
  return [...found, points.at(-1)];
}

const smoothed = (points) => points.map((point, k) => (k === 0 || k === points.length - 1
  ? point
  : [0, 1].map((axis) => (points[k - 1][axis] + 2 * point[axis] + points[k + 1][axis]) / 4)));

const blended = (from, to, part) => from.map((one, k) => one + (to[k] - one) * part);

/** A smooth path through points, as far as the arrow, and the corners of the arrow. */
function drawnEdge(points) {
  const tip = points.at(-1), [x, y] = points.at(-2);
  const length = distance(tip, [x, y]) || 1;
  const [ux, uy] = [(tip[0] - x) / length, (tip[1] - y) / length];
  const base = [tip[0] - ARROW * ux, tip[1] - ARROW * uy];
  const corner = (side) => [base[0] - side * uy, base[1] + side * ux];
  const short = points.filter(([px, py]) => (tip[0] - px) * ux + (tip[1] - py) * uy > ARROW);
  return { path: smoothPath([...short, base]), arrow: [corner(ARROW_HALF), tip, corner(-ARROW_HALF)].join(" ") };
}

function smoothPath(points) {
  const at = (k) => points[Math.max(0, Math.min(points.length - 1, k))];
  const near = (k, sign) => [0, 1].map((axis) => (
    at(k)[axis] + sign * (at(k + 1)[axis] - at(k - 1)[axis]) / 6));
  const rest = points.slice(1).map((point, k) => ["C", near(k, 1), near(k + 1, -1), point]);
  return [["M", points[0]], ...rest].map((part) => part.map(written).join(" ")).join("");
}

const written = (part) => (typeof part === "string" ? part : part.map((one) => one.toFixed(1)));

/** The outline of a box with rounded corners. */
function roundedBox([x, y, width, height], radius = 12) {
  const r = Math.min(radius, width / 2, height / 2);
  return `M${x + r},${y}h${width - 2 * r}a${r},${r} 0 0 1 ${r},${r}v${height - 2 * r}`
    + `a${r},${r} 0 0 1 ${-r},${r}h${2 * r - width}a${r},${r} 0 0 1 ${-r},${-r}v${2 * r - height}`
    + `a${r},${r} 0 0 1 ${r},${-r}z`;
}

/** Between two arrangements; what is hidden in either jumps. */
function between(first, second, part) {
  const blend = (from, to) => (from && to ? blended(from, to, part) : to);
  const lists = (name) => second[name].map((one, k) => blend(first[name][k], one));
  return {
    box: blended(first.box, second.box, part),
    nodes: lists("nodes"), scopes: lists("scopes"), modules: lists("modules"),
    labels: lists("labels"),
    edges: second.edges.map((to, k) => {
      const from = first.edges[k];
      return from && to ? to.map((point, i) => blended(from[i], point, part)) : to;
    }),
  };
}
