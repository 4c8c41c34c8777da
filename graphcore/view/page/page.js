// The page of the live view. It asks for what it shows and for nothing else; see visits.py for the
// messages. All text goes into the page as text, never as HTML.
"use strict";

const ROW = 26; // px, as in page.css
const MOST_MOMENTS = 2000;
const MOST_POINTS = 5000;
const MOST_CHARTS = 6;

const $ = (id) => document.getElementById(id);
const socket = new WebSocket(new URL("socket", location.href.replace(/^http/, "ws")));

let list = { all: 0, found: 0, first: 0, nodes: [] };
let asked = ""; // the part of the list that was asked for last
let chosen = null; // the node that is shown at length, as the server told it
let chosenId = null;
let charts = new Map(); // by node: its name, and its points
let moments = []; // what was shown, the newest last
let place = -1; // which of them is shown now; -1 is the newest
let run = null;
let lines = [];

function send(request) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
}

function element(kind, text, name) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

// The list: only the rows in sight exist, here and on the server.

function ask() {
  const first = Math.max(0, Math.floor($("scroll").scrollTop / ROW) - 4);
  const count = Math.ceil($("scroll").clientHeight / ROW) + 8;
  const rows = { search: $("search").value, first, count };
  const text = JSON.stringify(rows);
  if (text !== asked) send({ rows });
  asked = text;
}

function showList() {
  $("tall").style.height = `${list.found * ROW}px`;
  $("rows").style.transform = `translateY(${list.first * ROW}px)`;
  const search = $("search").value.trim();
  $("count").textContent = search
    ? `${list.found.toLocaleString("en")} of ${list.all.toLocaleString("en")} nodes`
    : `${list.all.toLocaleString("en")} nodes`;
  $("rows").replaceChildren(
    ...list.nodes.map(([id, name, kind]) => {
      const row = element("div", undefined, "row");
      row.dataset.id = id;
      row.append(element("span", name), element("span", kind), element("span"));
      for (let i = 0; i < 3; i++) row.append(element("span", "", "n"));
      row.title = name;
      row.onclick = () => choose(id);
      return row;
    }),
  );
  show();
}

// One moment: what the nodes in sight had ticked with.

function moment() {
  return moments[place < 0 ? moments.length - 1 : place];
}

function show() {
  const now = moment();
  if (!now) return;
  const before = moments[(place < 0 ? moments.length : place + 1) - 2];
  const isHot = (id) => {
    const [is, was] = [now.rows.get(id), before && before.rows.get(id)];
    return Boolean(is && was && is[1] !== was[1]);
  };
  $("cycle").textContent = now.cycle.toLocaleString("en");
  $("speed").textContent = rounded(now.speed);
  $("time").textContent = now.time;
  for (const row of $("rows").children) {
    const id = Number(row.dataset.id);
    const [, , value, rate, cycle, ago] = row.children;
    const seen = now.rows.get(id);
    row.classList.toggle("chosen", id === chosenId);
    row.classList.toggle("hot", isHot(id));
    value.textContent = seen ? seen[6] : place < 0 ? "" : "not recorded";
    rate.textContent = !seen || !seen[1] ? "" : (seen[5] ? "" : "≈ ") + rounded(seen[4]);
    cycle.textContent = !seen ? "" : seen[1] ? seen[1].toLocaleString("en") : "never";
    ago.textContent = !seen || seen[2] === null ? "" : `${seen[3]} ${duration(seen[2])}`.trim();
  }
  if (now.whole && now.whole[0] === chosenId) {
    $("whole").textContent = now.whole[1] === "" ? "no value yet" : now.whole[1];
    $("figures").replaceChildren(
      ...now.whole[2].flatMap(([name, text]) => [element("dt", name), element("dd", text)]),
    );
  }
  for (const group of $("drawing").querySelectorAll("g")) {
    const id = Number(group.dataset.id);
    const seen = now.rows.get(id);
    group.classList.toggle("hot", isHot(id));
    group.querySelector(".value").textContent = seen ? cut(seen[6]) : "";
  }
  $("scrub").max = Math.max(0, moments.length - 1);
  if (place < 0) $("scrub").value = moments.length - 1;
  $("moment").textContent = place < 0 ? "now" : `cycle ${now.cycle.toLocaleString("en")}`;
  $("present").hidden = place < 0;
  drawCharts();
}

function rounded(number) {
  if (number >= 100) return Math.round(number).toLocaleString("en");
  return number >= 10 ? number.toFixed(1) : number.toFixed(2);
}

function short(number) {
  return String(Number(number.toPrecision(7)));
}

function duration(seconds) {
  if (seconds === 0) return "0 s";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(0)} ms`;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(0)} d`;
}

function cut(text) {
  return text.length > 18 ? `${text.slice(0, 17)}…` : text;
}

// The node that was clicked.

function choose(id) {
  chosenId = id;
  $("whole").textContent = "";
  $("figures").replaceChildren();
  send({ node: id });
  const known = list.nodes.find((node) => node[0] === id);
  if (!charts.has(id)) {
    if (charts.size === MOST_CHARTS) charts.delete(charts.keys().next().value);
    charts.set(id, { name: known ? known[1] : "", points: [] });
    placeCharts();
  }
  show();
}

function showNode() {
  $("node").hidden = chosen === null;
  $("hint").hidden = chosen !== null;
  if (chosen === null) return;
  $("name").textContent = chosen.name;
  $("about").textContent = `${chosen.kind}, wired at ${chosen.wired_at.split("/").pop()}`;
  $("about").title = chosen.wired_at;
  const edges = [];
  for (const [title, found] of [["reads", chosen.reads], ["read by", chosen.read_by]]) {
    if (!found.length) continue;
    edges.push(element("h3", title));
    for (const [id, name, active] of found) {
      const button = element("button", name, active ? "" : "passive");
      button.title = active ? "its ticks trigger" : "only read";
      button.onclick = () => choose(id);
      edges.push(button);
    }
  }
  $("edges").replaceChildren(...edges);
  const chart = charts.get(chosen.id);
  if (chart && !chart.name) {
    chart.name = chosen.name;
    placeCharts();
  }
  drawNeighbours();
  show();
}

function drawNeighbours() {
  const [width, height, beside, above] = [136, 34, 28, 8];
  const columns = new Map();
  for (const [id, name, column] of chosen.places) {
    if (!columns.has(column)) columns.set(column, []);
    columns.get(column).push([id, name]);
  }
  const order = [...columns.keys()].sort((a, b) => a - b);
  const tallest = Math.max(...[...columns.values()].map((each) => each.length));
  const whole = tallest * (height + above);
  const at = new Map();
  const boxes = [];
  order.forEach((column, c) => {
    const members = columns.get(column);
    members.forEach(([id, name], r) => {
      const x = c * (width + beside) + 2;
      const y = (whole - members.length * (height + above)) / 2 + r * (height + above) + 2;
      at.set(id, [x, y]);
      const group = svg("g", {});
      group.dataset.id = id;
      if (id === chosen.id) group.classList.add("chosen");
      const label = svg("text", { x: x + 6, y: y + 14 });
      label.textContent = name.length > 21 ? `${name.slice(0, 20)}…` : name;
      const value = svg("text", { x: x + 6, y: y + 28, class: "value" });
      group.append(svg("rect", { x, y, width, height, rx: 4 }), label, value);
      group.onclick = () => choose(id);
      boxes.push(group);
    });
  });
  const paths = chosen.edges.map(([from, to, active]) => {
    const [[x1, y1], [x2, y2]] = [at.get(from), at.get(to)];
    const [a, b, c, d] = [x1 + width, y1 + height / 2, x2, y2 + height / 2];
    const half = beside / 2;
    return svg("path", {
      d: `M${a},${b} C${a + half},${b} ${c - half},${d} ${c},${d}`,
      class: active ? "active" : "passive",
    });
  });
  const right = order.length * (width + beside) - beside + 4;
  $("drawing").setAttribute("width", right);
  $("drawing").setAttribute("height", whole + 4);
  $("drawing").replaceChildren(...paths, ...boxes);
  $("around").scrollLeft = at.get(chosen.id)[0] + width / 2 - $("around").clientWidth / 2;
}

function svg(kind, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Charts.

function placeCharts() {
  send({ charts: [...charts.keys()] });
  $("charts").replaceChildren(
    ...[...charts].map(([id, chart]) => {
      const figure = element("figure");
      figure.dataset.id = id;
      const caption = element("figcaption");
      const close = element("button", "×");
      close.title = "close this chart";
      close.onclick = () => {
        charts.delete(id);
        placeCharts();
      };
      caption.append(element("b", chart.name), element("span"), close);
      figure.append(caption, element("canvas"));
      return figure;
    }),
  );
  drawCharts();
}

function drawCharts() {
  const style = getComputedStyle(document.documentElement);
  for (const figure of $("charts").children) {
    const { points } = charts.get(Number(figure.dataset.id));
    const canvas = figure.querySelector("canvas");
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const scale = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [width * scale, height * scale];
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = style.getPropertyValue("--dim");
    const label = figure.querySelector("figcaption span");
    if (!points.length) {
      label.textContent = "no number yet";
      continue;
    }
    const [first, last] = [points[0][0], points[points.length - 1][0]];
    let [low, high] = [Infinity, -Infinity];
    for (const [, value] of points) [low, high] = [Math.min(low, value), Math.max(high, value)];
    const x = (time) => (last > first ? ((time - first) / (last - first)) * (width - 4) + 2 : 2);
    const y = (value) =>
      high > low ? height - 16 - ((value - low) / (high - low)) * (height - 24) : height / 2;
    label.textContent = `${points.length.toLocaleString("en")} ticks, ${short(points[points.length - 1][1])}`;
    pen.fillText(short(high), 4, 10);
    pen.fillText(short(low), 4, height - 4);
    pen.textAlign = "right";
    pen.fillText(duration((last - first) / 1e3), width - 4, height - 4);
    pen.strokeStyle = style.getPropertyValue("--blue");
    pen.lineWidth = 1.5;
    pen.beginPath();
    points.forEach(([time, value], i) => {
      if (i) pen.lineTo(x(time), y(points[i - 1][1]));
      pen[i ? "lineTo" : "moveTo"](x(time), y(value));
    });
    pen.stroke();
    if (place >= 0) {
      pen.strokeStyle = style.getPropertyValue("--orange");
      pen.strokeRect(x(Math.min(last, Math.max(first, moment().ms))), 0, 0, height);
    }
  }
}

// Messages.

function takeNow(now) {
  if (now.run !== run) {
    run = now.run;
    moments = [];
    place = -1;
    for (const chart of charts.values()) chart.points = [];
  }
  $("status").textContent = now.status;
  $("status").className = `pill ${now.failure ? "failed" : now.status.split(" ")[0]}`;
  const isOn = now.historical && !now.status.startsWith("ended");
  $("past").hidden = !now.historical;
  $("pause").textContent = now.status === "paused" ? "run" : "pause";
  $("pause").disabled = !isOn;
  $("step").disabled = $("steps").disabled = !(isOn && now.status === "paused");
  $("failure").hidden = !now.failure;
  if ($("failure").textContent !== now.failure) $("failure").textContent = now.failure;
  $("busy").hidden = !(now.waiting > 1);
  $("busy").textContent = `no cycle has ended for ${duration(now.waiting)}`;
  for (const [id, time, value] of now.points) {
    const chart = charts.get(id);
    if (!chart) continue;
    chart.points.push([time, value]);
    if (chart.points.length > MOST_POINTS) chart.points.splice(0, MOST_POINTS / 10);
  }
  if (now.log.length) {
    lines = [...lines, ...now.log].slice(-500);
    const isAtEnd = $("log").scrollTop + $("log").clientHeight > $("log").scrollHeight - 20;
    $("log").textContent = lines.join("\n");
    if (isAtEnd) $("log").scrollTop = $("log").scrollHeight;
  }
  if (now.cycle === undefined) return;
  const rows = new Map(now.rows.map((row) => [row[0], row]));
  const { cycle, time, ms, speed, whole } = now;
  const last = moments[moments.length - 1];
  // A moment is a cycle; with rows that came into sight later it is complete.
  if (last && last.cycle === cycle) moments.pop();
  const kept = last && last.cycle === cycle ? new Map([...last.rows, ...rows]) : rows;
  moments.push({ cycle, time, ms, speed, whole, rows: kept });
  if (moments.length > MOST_MOMENTS) {
    moments.shift();
    if (place > 0) place -= 1;
  }
  show();
}

socket.onmessage = (event) => {
  const message = JSON.parse(event.data);
  if (message.hello) {
    document.title = `graphcore, process ${message.hello.pid}`;
    ask();
  }
  if (message.rows) {
    list = message.rows;
    showList();
  }
  if (message.node !== undefined) {
    chosen = message.node;
    showNode();
  }
  if (message.now) takeNow(message.now);
  if (message.refused) gone(message.refused);
};

let why = "";
function gone(text) {
  why = why || text;
  $("status").textContent = why;
  $("status").className = "pill";
  for (const id of ["pause", "step", "steps"]) $(id).disabled = true;
  $("busy").hidden = true;
}
socket.onclose = () => {
  const status = $("status").textContent;
  gone(status.startsWith("ended") ? `${status}; nobody serves this page any more` : "nobody serves this page any more");
};

let isAsking = false;
$("scroll").onscroll = () => {
  if (isAsking) return;
  isAsking = true;
  requestAnimationFrame(() => {
    isAsking = false;
    ask();
  });
};
window.onresize = () => {
  ask();
  drawCharts();
};
$("search").oninput = () => {
  $("scroll").scrollTop = 0;
  ask();
};
$("pause").onclick = () => {
  place = -1;
  send({ pause: $("pause").textContent === "pause" });
};
$("step").onclick = () => {
  place = -1;
  send({ step: 1 });
};
$("steps").onclick = () => {
  place = -1;
  send({ step: 100 });
};
$("scrub").oninput = () => {
  const to = Number($("scrub").value);
  place = to >= moments.length - 1 ? -1 : to;
  show();
};
$("present").onclick = () => {
  place = -1;
  show();
};
