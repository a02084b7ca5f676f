// Shows what the events of the service say.

import { byId, el } from "./dom.js";
import { bytesText, clockText, countText, durationText, rateText } from "./text.js";
import { drawChart, tile } from "./chart.js";

// A longer silence means that the service does not answer.
const MAX_SILENCE = 5000;
const RETRY_INTERVAL = 5000;
// The lag up to which /readyz is 200, seconds.
const MAX_READY_LAG = 60;
const MAX_PROBLEMS = 20;
// A point of a shorter time says little about the rate, seconds.
const MIN_POINT = 3;

let data = null;
let heardAt = performance.now();

function connect() {
  const source = new EventSource("events");
  source.onmessage = (event) => {
    data = JSON.parse(event.data);
    heardAt = performance.now();
    show();
  };
  source.onerror = () => {
    // The browser connects again by itself, except after an answer that is no stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_INTERVAL);
    heardAt = Math.min(heardAt, performance.now() - MAX_SILENCE);
    showConnection();
  };
}

function isLost() {
  return performance.now() - heardAt >= MAX_SILENCE;
}

function show() {
  byId("name").textContent = data.name;
  byId("process").textContent = `fink ${data.version}, process ${data.pid}, up ${durationText((data.now - data.started) / 1000)}, ${clockText(data.now)} UTC`;
  document.title = data.lag === null ? `${data.name}: ${data.lane}` : `${data.name}: lag ${durationText(data.lag)}`;
  showConnection();
  showTiles();
  showCharts();
  showStreams();
  showProblems();
  document.documentElement.dataset.page = "ready";
}

function showConnection() {
  const lost = isLost();
  const lane = byId("lane");
  const progress = data?.progress === null || data?.progress === undefined ? "" : ` ${Math.floor(data.progress * 100)} %`;
  lane.textContent = lost ? "no answer" : data ? data.lane + progress : "connecting";
  lane.className = "badge " + (lost ? "lost" : data ? data.lane : "");
  byId("content").className = lost ? "old" : "";
  const banners = [];
  if (lost) {
    const since = data ? `What is shown is from ${clockText(data.now)} UTC.` : "";
    banners.push(el("p", { class: "fault" }, `The service does not answer. ${since}`));
  }
  for (const [server, seconds] of Object.entries(data?.outages ?? {})) {
    banners.push(el("p", { class: "fault" }, `${server[0].toUpperCase() + server.slice(1)} has not answered for ${durationText(seconds)}: nothing is published until it does.`));
  }
  if (data?.ahead > 0) {
    banners.push(el("p", { class: "warning" }, `${countText(data.ahead)} rows have timestamps in the future and are published when their time comes.`));
  }
  byId("banners").replaceChildren(...banners);
}

function showTiles() {
  const rejected = Object.values(data.rejected_in_hour).reduce((sum, count) => sum + count, 0);
  const [lag, unit] = data.lag === null ? ["–", ""] : durationText(data.lag).split(" ");
  const checkpoint = data.checkpoint_age === null ? "nothing is committed yet" : `last commit ${durationText(data.checkpoint_age)} ago`;
  byId("tiles").replaceChildren(
    tile("Alerts", rateText(data.alerts_per_second), "/s", `${countText(data.alerts)} since the start`, ""),
    tile("Lag", lag, unit ?? "", checkpoint, data.lag > MAX_READY_LAG || Object.keys(data.outages).length ? "fault" : ""),
    tile("Late, last hour", countText(data.late_in_hour), "", `${countText(data.late)} since the start`, data.late_in_hour ? "late" : ""),
    tile("Rejected, last hour", countText(rejected), "", `${countText(data.rejected)} since the start`, rejected ? "fault" : ""),
  );
}

function showCharts() {
  const now = data.now;
  const at = (point) => point.from + point.seconds * 500;
  const whole = data.points.filter((point) => point.seconds >= MIN_POINT);
  const value = (id, text) => (point) => (byId(id).textContent = point ? `${clockText(point.at)}  ${text(point.values)}` : "");
  drawChart(byId("rate-chart"), {
    points: whole.map((point) => ({ at: at(point), values: [point.alerts / point.seconds] })),
    now, kind: "curve", least: 1, label: (tick) => (tick >= 10000 ? tick / 1000 + "k" : String(Number(tick.toFixed(2)))),
    show: value("rate-value", ([rate]) => rateText(rate) + "/s"),
  });
  drawChart(byId("lag-chart"), {
    points: data.points.map((point) => ({ at: at(point), values: [point.lag] })),
    now, kind: "curve", least: 12, isLogarithmic: true, label: (tick, label) => label,
    show: value("lag-value", ([lag]) => (lag === null ? "unknown" : durationText(lag))),
  });
  drawChart(byId("trouble-chart"), {
    points: data.points.map((point) => ({ at: at(point), values: [point.late, point.rejected] })),
    now, kind: "bars", names: ["late", "rejected"], least: 4, label: (tick) => (Number.isInteger(tick) ? countText(tick) : ""),
    show: value("trouble-value", ([late, rejected]) => `${countText(late)} late, ${countText(rejected)} rejected`),
  });
}

function showStreams() {
  byId("streams").replaceChildren(...data.streams.map((stream) => {
    const rejected = data.rejected_in_hour[stream.name] ?? 0;
    const number = (text, isFault) => el("td", { class: isFault ? "number fault" : "number" }, text);
    return el(
      "tr", {},
      el("th", { scope: "row" }, stream.paused_since ? `${stream.name} (paused)` : stream.name),
      el("td", { class: "topic" }, stream.topic),
      number(countText(stream.sent)),
      el("td", { class: "number size" }, bytesText(stream.bytes)),
      number(countText(stream.refused)),
      number(countText(stream.rejected), stream.rejected > 0),
      number(countText(rejected), rejected > 0),
    );
  }));
}

function showProblems() {
  const problems = data.problems.slice(-MAX_PROBLEMS).reverse().map((problem) => el(
    "li", {},
    el("time", { class: "muted", datetime: problem.time }, problem.time.slice(0, 19).replace("T", " ")),
    el("span", { class: "level " + problem.level.toLowerCase() }, problem.level),
    el("span", { class: "message" }, problem.message),
  ));
  byId("problems").replaceChildren(...(problems.length ? problems : [el("li", { class: "none" }, "none since the start")]));
}

setInterval(() => isLost() && showConnection(), 1000);
addEventListener("resize", () => data && showCharts());
connect();
