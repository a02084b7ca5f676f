// The list of alerts, newest on top, with its filter box. New alerts wait behind a button, so that the list does not jump.

import { byId, el } from "./dom.js";
import { age, minus } from "./format.js";
import { isServed, loadList } from "./source.js";

const POLL_INTERVAL = 1000;
const TYPING_INTERVAL = 250;
const AGE_INTERVAL = 15000;

export class List {
  // `choose` is called with the number of the alert that the user picks.
  constructor(choose) {
    this.choose = choose;
    this.items = byId("items");
    this.alerts = [];
    this.waiting = [];
    this.newest = 0;
    this.isPaused = false;
    this.current = null;
    this.condition = byId("condition");
    byId("filter").hidden = !isServed;
    byId("filter").addEventListener("submit", (event) => (event.preventDefault(), this.load()));
    let timer = 0;
    this.condition.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.load(), TYPING_INTERVAL);
    });
    byId("new").addEventListener("click", () => this.showWaiting());
    byId("pause").addEventListener("click", () => this.togglePause());
    this.items.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.pick(Number(button.dataset.number));
    });
  }

  // Everything anew, for the condition in the box.
  async load() {
    const wanted = this.condition.value;
    const answer = await loadList(wanted, 0);
    // An answer to an earlier condition is too late.
    if (wanted !== this.condition.value) return;
    this.showFault(answer.fault);
    if (answer.fault) return;
    this.shownCondition = wanted;
    this.alerts = answer.alerts;
    this.waiting = [];
    this.note(answer);
    this.draw();
    if (!this.alerts.some((alert) => alert.number === this.current) && this.alerts.length) this.pick(this.alerts[0].number);
    if (answer.live && !this.timer) {
      this.timer = setInterval(() => this.poll(), POLL_INTERVAL);
      setInterval(() => this.drawAges(), AGE_INTERVAL);
    }
    byId("pause").hidden = !answer.live;
    this.drawPause();
  }

  async poll() {
    if (this.isPaused || this.isPolling) return;
    this.isPolling = true;
    const condition = this.shownCondition;
    try {
      const answer = await loadList(condition, this.newest);
      if (condition !== this.shownCondition || answer.fault) return;
      this.waiting = [...answer.alerts, ...this.waiting];
      this.note(answer);
      if (this.alerts.length === 0 && this.waiting.length) this.showWaiting();
      this.drawWaiting();
    } catch {
      byId("count").textContent = "fink view has ended";
      clearInterval(this.timer);
    } finally {
      this.isPolling = false;
    }
  }

  note(answer) {
    this.newest = answer.newest;
    this.broken = answer.broken;
    this.problem = answer.problem;
    this.oldest = answer.oldest;
    this.waiting = this.waiting.filter((alert) => alert.number >= this.oldest);
    this.drawStatus();
  }

  showWaiting() {
    this.alerts = [...this.waiting, ...this.alerts].filter((alert) => alert.number >= this.oldest);
    this.waiting = [];
    this.draw();
    this.items.scrollTop = 0;
    if (this.current === null && this.alerts.length) this.pick(this.alerts[0].number);
  }

  togglePause() {
    if (byId("pause").hidden) return;
    this.isPaused = !this.isPaused;
    this.drawPause();
    this.poll();
  }

  drawPause() {
    const button = byId("pause");
    button.textContent = this.isPaused ? "resume" : "pause";
    button.title = "stop or resume to ask for new alerts (space)";
    button.setAttribute("aria-pressed", String(this.isPaused));
  }

  showFault(fault) {
    byId("filter-fault").hidden = !fault;
    byId("filter-fault").textContent = fault ?? "";
    this.condition.setAttribute("aria-invalid", String(Boolean(fault)));
  }

  pick(number) {
    this.current = number;
    for (const button of this.items.querySelectorAll("[aria-current]")) button.removeAttribute("aria-current");
    const button = this.items.querySelector(`[data-number="${number}"]`);
    button?.setAttribute("aria-current", "true");
    button?.scrollIntoView({ block: "nearest" });
    this.choose(number);
  }

  // The alert so many places further down.
  step(by) {
    const at = this.alerts.findIndex((alert) => alert.number === this.current);
    const next = this.alerts[Math.min(this.alerts.length - 1, Math.max(0, at + by))];
    if (next && next.number !== this.current) this.pick(next.number);
  }

  draw() {
    const now = Date.now();
    this.items.replaceChildren(...this.alerts.map((alert) => this.itemNode(alert, now)));
    this.drawWaiting();
    this.drawStatus();
  }

  drawAges() {
    const now = Date.now();
    for (const place of this.items.querySelectorAll(".age[data-time]")) place.textContent = age(now - Number(place.dataset.time));
  }

  itemNode(alert, now) {
    const button = el("button", { type: "button", "data-number": alert.number, "aria-current": alert.number === this.current ? "true" : null },
      el("span", { class: "object", title: alert.object }, alert.object),
      el("span", { class: "age", "data-time": alert.time, title: alert.time ? new Date(alert.time).toISOString() : "" }, alert.time ? age(now - alert.time) : ""),
      el("span", { class: "brightness" }, el("span", { class: "band" }, alert.band ?? ""), " ", minus(alert.brightness ?? "")),
      el("span", { class: "class", title: alert.class ?? "" }, alert.class ?? ""),
    );
    return el("li", {}, button);
  }

  drawWaiting() {
    byId("new").hidden = this.waiting.length === 0;
    byId("new").textContent = this.waiting.length + " new";
  }

  drawStatus() {
    const count = this.alerts.length === 1 ? "1 alert" : this.alerts.length + " alerts";
    const broken = this.broken ? `, ${this.broken} cannot be decoded` : "";
    byId("count").textContent = this.problem ?? count + broken;
    byId("count").title = this.problem ?? "";
  }
}
