"use strict";
// What the page does: sort tables, tell what is pointed at, and draw what needs a layout: held memory, owners.
(() => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const tip = document.getElementById("tip");
  const SVG = "http://www.w3.org/2000/svg";
  const say = (text) => { if (tip.textContent !== text) tip.textContent = text; };
  const bytes = (size) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let at = 0, value = size;
    while (Math.abs(value) >= 999.5 && at < units.length - 1) { value /= 1024; at += 1; }
    return (at && Math.abs(value) < 9.95 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(0)) + " " + units[at];
  };
  const count = (number, one) => number.toLocaleString("en") + " " + one + (number === 1 ? "" : "s");
  const make = (name, attributes, parent, text) => {
    const node = document.createElementNS(SVG, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.appendChild(node);
    return node;
  };
  const cut = (text, width) => {
    const most = Math.floor(width / 7.3);
    return text.length <= most ? text : most < 3 ? "" : text.slice(0, most - 1) + "…";
  };

  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => row.cells[column].dataset.key;
        const order = (a, b) => {
          const left = key(a), right = key(b);
          if (left !== undefined && right !== undefined) return left - right;
          if (left !== undefined || right !== undefined) return left === undefined ? -1 : 1;
          return a.cells[column].textContent.localeCompare(b.cells[column].textContent);
        };
        const body = table.tBodies[0];
        const rows = [...body.rows].sort((a, b) => (down ? order(b, a) : order(a, b)));
        body.append(...rows);
        say("Sorted by " + button.textContent + (down ? ", the largest first" : ", the smallest first"));
      });
    });
  }

  const map = (figure, found) => {
    const svg = figure.querySelector("svg"), place = found.place, rows = place.rows;
    const total = found.bytes.live.length;
    const mark = make("rect", { class: "chosen", width: place.pitch + 1, height: place.row, visibility: "hidden" }, svg);
    const starts = [];
    for (const [start, cells] of found.stretches)
      for (let cell = 0; cell < cells; cell += 1) starts.push(BigInt(start) + BigInt(cell) * BigInt(found.cell));
    let chosen = 0;
    const rowOf = (cell) => rows.findIndex(([first, end]) => first <= cell && cell < end);
    const show = (cell) => {
      if (cell < 0 || cell >= total) return;
      chosen = cell;
      const row = rowOf(cell);
      const column = Math.min(cell - rows[row][0], place.columns - 1);
      mark.setAttribute("x", place.left + column * place.pitch - 1);
      mark.setAttribute("y", place.top + row * place.row - 1);
      mark.setAttribute("visibility", "visible");
      const parts = Object.keys(found.bytes).filter((kind) => found.bytes[kind][cell] > 0)
        .map((kind) => bytes(found.bytes[kind][cell]) + " " + found.words[kind]);
      const what = found.what[cell] < 0 ? "" : "; largest: " + found.names[found.what[cell]];
      const who = found.who[cell] < 0 ? "" : ", held by " + found.holders[found.who[cell]];
      say("0x" + starts[cell].toString(16) + ": " + parts.join(", ") + what + who);
    };
    const at = (event) => {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      const column = Math.floor(((event.clientX - box.left) * scale - place.left) / place.pitch);
      const row = Math.floor(((event.clientY - box.top) * scale - place.top) / place.row);
      if (column < 0 || row < 0 || column >= place.columns || row >= rows.length) return -1;
      const cell = rows[row][0] + column;
      return cell < rows[row][1] ? cell : -1;
    };
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("aria-roledescription", "map: arrow keys go from cell to cell");
    svg.addEventListener("pointermove", (event) => show(at(event)));
    svg.addEventListener("focus", () => show(chosen));
    for (const name of ["pointerleave", "blur"])
      svg.addEventListener(name, () => { mark.setAttribute("visibility", "hidden"); say(""); });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -place.columns, ArrowDown: place.columns,
        Home: -chosen, End: total - 1 - chosen }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      show(Math.min(Math.max(chosen + step, 0), total - 1));
    });
  };

  const button = (text, parent, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    parent.appendChild(made);
    return made;
  };
  const pressed = (node, act) => {
    node.addEventListener("click", act);
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      act();
    });
  };
  const tells = (node, text) => {
    node.setAttribute("tabindex", "0");
    node.setAttribute("aria-label", text);
    for (const name of ["pointerenter", "focus"]) node.addEventListener(name, () => say(text));
    for (const name of ["pointerleave", "blur"]) node.addEventListener(name, () => say(""));
  };

  // What is of no use on paper.
  const onScreen = (text) => {
    const span = document.createElement("span");
    span.className = "screen";
    span.textContent = text;
    return span;
  };

  const held = (figure, tree) => {
    const place = figure.querySelector(".drawing"), HIGH = 24;
    const room = () => Math.max(320, Math.min(1100, place.clientWidth || 1100));
    const bar = document.createElement("div");
    bar.className = "way";
    figure.insertBefore(bar, place);
    const root = d3.hierarchy(tree).sum((each) => each.own || 0).sort((a, b) => b.value - a.value);
    const hues = new Map((root.children || []).map((each, index) => [each, (index * 137 + 210) % 360]));
    const hue = (node) => { while (node.depth > 1) node = node.parent; return hues.has(node) ? hues.get(node) : 210; };
    let top = root, layout = "icicle";
    let drawn = 0;
    const draw = (focus) => {
      const WIDTH = drawn = room();
      place.textContent = "";
      bar.textContent = "";
      for (const each of top.ancestors().reverse())
        button(each.depth ? each.data.name : "all", bar, () => { top = each; draw(true); }).disabled = each === top;
      button(layout === "icicle" ? "as treemap" : "as icicle", bar, () => {
        layout = layout === "icicle" ? "treemap" : "icicle";
        draw(false);
      });
      const copy = top.copy(), depth = Math.min(copy.height + 1, 12), high = layout === "icicle" ? depth * HIGH : 420;
      const svg = make("svg", { class: "picture", role: "group", viewBox: `0 0 ${WIDTH} ${high + 2}`, width: WIDTH,
        "aria-label": "What is held, by holder and type" }, place);
      if (layout === "icicle") d3.partition().size([WIDTH, (copy.height + 1) * HIGH])(copy);
      else d3.treemap().size([WIDTH, high]).paddingInner(1).paddingTop(15).tile(d3.treemapSquarify)(copy);
      const originals = new Map();
      top.each((each) => originals.set(each.data, each));
      copy.each((each) => {
        const width = each.x1 - each.x0, tall = each.y1 - each.y0;
        if (width < 1.5 || tall < 3 || each.y0 >= high || (layout === "treemap" && each.depth > 3)) return;
        const original = originals.get(each.data);
        const group = make("g", { role: "button" }, svg);
        const dark = original.depth ? `hsl(${hue(original)} 45% 50% / ${0.22 + 0.1 * (original.depth % 3)})` : "none";
        make("rect", { class: "cell", x: each.x0, y: each.y0, width, height: tall - 1, fill: dark }, group);
        if (width > 30) make("text", { x: each.x0 + 4, y: each.y0 + (layout === "icicle" ? 15 : 12) }, group,
          cut(each.data.name + "  " + bytes(each.value), width - 6));
        const share = (100 * each.value / root.value).toFixed(1) + " %";
        tells(group, `${original.ancestors().reverse().slice(1).map((one) => one.data.name).join(" → ") || "all"}: ` +
          `${bytes(each.value)}, ${share}, in ${count(each.data.blocks, "block")}`);
        pressed(group, () => { if (original.children) { top = original; draw(true); } });
      });
      if (focus) { const first = svg.querySelector("g"); if (first) first.focus(); }
    };
    draw(false);
    addEventListener("resize", () => { if (room() !== drawn) draw(false); });
  };

  const owners = (figure, graph) => {
    const place = figure.querySelector(".drawing");
    const laid = new dagre.graphlib.Graph({ multigraph: true });
    laid.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 48, marginx: 8, marginy: 8 });
    laid.setDefaultEdgeLabel(() => ({}));
    const label = (node) => cut(node.name, 215);
    const below = (node) => bytes(node.bytes) + (node.kind.includes("holder") ? " retained" : ", " + count(node.blocks, "block"));
    for (const node of graph.nodes)
      laid.setNode(String(node.id), { width: Math.max(label(node).length, below(node).length) * 7.3 + 18,
        height: 38 });
    const loops = new Map();
    for (const edge of graph.edges)
      if (edge.from === edge.to) loops.set(edge.from, edge.pointers);
      else laid.setEdge(String(edge.from), String(edge.to), {}, edge.from + "-" + edge.to);
    dagre.layout(laid);
    const size = laid.graph();
    const svg = make("svg", { class: "picture", role: "group", viewBox: `0 0 ${size.width + 40} ${size.height + 20}`,
      width: Math.min(size.width + 40, Math.max(place.clientWidth, (size.width + 40) * 0.7)), "aria-label": "Who points to whom; the table below has each arrow" }, place);
    const heads = make("defs", {}, svg);
    const head = make("marker", { id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 10, markerHeight: 10,
      markerUnits: "userSpaceOnUse", orient: "auto-start-reverse" }, heads);
    make("path", { d: "M0 0L8 4L0 8z", class: "head" }, head);
    const names = new Map(graph.nodes.map((node) => [node.id, node]));
    const most = Math.max(...graph.edges.map((edge) => edge.pointers), 1);
    for (const edge of graph.edges) {
      const wide = 1 + 3 * Math.log(1 + edge.pointers) / Math.log(1 + most);
      const told = `${names.get(edge.from).name} → ${names.get(edge.to).name}: ${count(edge.pointers, "pointer")}`;
      let d;
      if (edge.from === edge.to) {
        const at = laid.node(String(edge.from)), x = at.x + at.width / 2;
        d = `M${x} ${at.y - 9}C${x + 34} ${at.y - 22} ${x + 34} ${at.y + 22} ${x} ${at.y + 9}`;
      } else {
        const points = laid.edge(String(edge.from), String(edge.to), edge.from + "-" + edge.to).points;
        d = "M" + points.map((point) => point.x.toFixed(1) + " " + point.y.toFixed(1)).join("L");
      }
      const path = make("path", { class: "arrow", d, "stroke-width": wide.toFixed(1), "marker-end": "url(#head)" }, svg);
      make("title", {}, path, told);
    }
    for (const node of graph.nodes) {
      const at = laid.node(String(node.id)), x = at.x - at.width / 2, y = at.y - at.height / 2;
      const group = make("g", {}, svg);
      make("rect", { class: "node " + node.kind, x, y, width: at.width, height: at.height,
        rx: node.kind === "holder" ? 0 : 9 }, group);
      make("text", { x: x + 8, y: y + 16, class: node.kind === "holder" ? "strong" : "" }, group, label(node));
      make("text", { x: x + 8, y: y + 31, class: "dim" }, group, below(node));
      const out = graph.edges.filter((edge) => edge.from === node.id)
        .map((edge) => `${names.get(edge.to).name} (${count(edge.pointers, "pointer")})`);
      const cycle = loops.has(node.id) ? "; they point to each other" : "";
      tells(group, `${node.name}: ${bytes(node.bytes)}${cycle}` + (out.length ? "; points to " + out.join(", ") : ""));
    }
  };

  for (const figure of document.querySelectorAll("figure[data-facts]")) {
    const [kind, number] = figure.dataset.facts.split(":");
    if (kind === "map") map(figure, facts.maps[Number(number)]);
    if (kind === "held" && facts.held) {
      held(figure, facts.held);
      figure.querySelector("figcaption").append(onScreen(" Choose one to look closer."));
    }
    if (kind === "owners" && facts.owners) owners(figure, facts.owners);
    const place = figure.querySelector(".wide");
    if (place.scrollWidth > place.clientWidth + 1)
      figure.querySelector("figcaption").append(onScreen(" (Wider than this window: scroll it sideways.)"));
  }
})();
