// Puts the parts together: what is chosen is shown, and the keys.

import { byId, el, toast } from "./dom.js";
import { loadAlert, loadFields } from "./source.js";
import { Fields } from "./fields.js";
import { LightCurve } from "./light_curve.js";
import { List } from "./list.js";
import { STRETCHES } from "./stretch.js";
import { Stamps } from "./stamps.js";
import { showHead } from "./head.js";

const lightCurve = new LightCurve();
const stampImages = new Stamps();
const fieldTree = new Fields();
let shownAlert = null;
let wantedNumber = null;

async function show(number) {
  wantedNumber = number;
  const wantedFields = loadFields(number);
  // A failure is told where it is awaited, if the user has not gone on by then.
  wantedFields.catch(() => {});
  try {
    const alert = await loadAlert(number);
    // The user may have gone on meanwhile.
    if (wantedNumber !== number) return;
    shownAlert = alert;
    showHead(alert);
    lightCurve.show(alert.curve, alert.fileName + "_light_curve");
    stampImages.show(alert);
    const fields = await wantedFields;
    if (wantedNumber !== number) return;
    fieldTree.show(fields);
    // Tests of the page wait for this.
    document.documentElement.dataset.alert = number;
  } catch (error) {
    toast(String(error.message ?? error));
  }
}

const alertList = new List(show);

const KEYS = [
  ["→ j", "next alert", ["ArrowRight", "j"], () => alertList.step(1)],
  ["← k", "previous alert", ["ArrowLeft", "k"], () => alertList.step(-1)],
  ["/", "find a field or a value", ["/"], () => byId("field-search").focus()],
  ["f", "difference, apparent magnitude, flux", ["f"], () => lightCurve.nextView()],
  ["d", "dates, or days before this alert", ["d"], () => lightCurve.toggleDays()],
  ["1 – 4", "zscale, asinh, log, minmax", [], null],
  ["m", "science and template with the same limits", ["m"], () => flip("alike")],
  ["i", "invert the stamps", ["i"], () => flip("inverted")],
  ["n", "turn the sign of a negative difference", ["n"], () => flip("flipped")],
  ["r", "pixels as they are stored", ["r"], () => flip("raw")],
  ["x", "cross hair", ["x"], () => flip("cross")],
  ["s", "save the light curve as PNG", ["s"], () => lightCurve.savePng()],
  ["o", "open the object in Fink's portal", ["o"], () => shownAlert?.portal && window.open(shownAlert.portal, "_blank", "noopener,noreferrer")],
  ["space", "pause, or resume, live alerts", [" "], () => alertList.togglePause()],
  ["?", "this list", ["?"], () => openHelp()],
];
const ACTIONS = new Map(KEYS.flatMap(([, , keys, action]) => keys.map((key) => [key, action])));
STRETCHES.forEach((stretch) => ACTIONS.set(stretch.key, () => stampImages.change({ stretch: stretch.name })));

function flip(name) {
  stampImages.change({ [name]: !stampImages.settings[name] });
}

function openHelp() {
  const help = byId("help");
  const keys = KEYS.map(([label, text]) => [el("dt", {}, el("kbd", {}, label)), el("dd", {}, text)]);
  const mouse = "Light curve: hover for a point's values, click to keep them, drag or wheel to zoom, double click to see all, click the legend to hide a band.";
  help.replaceChildren(el("h2", {}, "Keys"), el("dl", {}, ...keys.flat()), el("p", {}, mouse), el("button", { type: "button", onclick: () => help.close() }, "close"));
  help.showModal();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
  const isTyping = event.target.closest("input, select, textarea");
  if (isTyping) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // Space and Enter press the button that has the focus.
  if (event.key === " " && event.target.closest("button, [role=button], summary, a")) return;
  const action = ACTIONS.get(event.key);
  if (!action) return;
  event.preventDefault();
  action();
});

function redraw() {
  if (!shownAlert) return;
  lightCurve.draw();
  stampImages.draw();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
matchMedia("(max-width: 899px)").addEventListener("change", redraw);

document.documentElement.dataset.page = "loading";
alertList.load().then(
  () => (document.documentElement.dataset.page = "ready"),
  (error) => toast(String(error.message ?? error)),
);
