// @ts-check
// A running edit: how far it is, and the loss of each step.
import { follow, valueOf } from "../components/component.js";
import { find, say } from "../components/dom.js";
import { downloads } from "../components/downloads.js";
import { saveDrawing, shapeNode } from "../components/svg.js";
import { curve, curvePicture, PICTURE } from "./curve.js";

const FRAME = { left: 34, right: 392, top: 8, bottom: 98 }; // Of the template's 400 × 110.

/** @param {import("../components/component.js").Component} component */
export function start(component) {
  const root = find(component.element, ".gs-progress");
  const bar = find(root, ".gs-bar");
  const stage = find(root, ".gs-stage");
  const saving = find(root, ".gs-loss-downloads");
  const svg = /** @type {SVGElement} */ (root.querySelector(".gs-curve"));
  const losses = () => valueOf(component.props).losses;

  async function savePicture(format) {
    const style = getComputedStyle(document.body);
    const shapes = curvePicture(losses(), (name) => style.getPropertyValue(`--gs-${name}`).trim());
    await saveDrawing(shapes.map(shapeNode), { format, filename: "grace-studio-loss", ...PICTURE });
  }

  saving.append(downloads({
    filename: "grace-studio-loss", label: "the loss of each step", savePicture,
    table: () => ({ columns: ["step", "loss (nats per token)"], rows: losses().map((value, step) => [step + 1, value]) }),
    onError: (error) => say(stage, error.message),
  }));

  follow(component, (value) => {
    root.hidden = !value.running && !value.losses.length;
    if (root.hidden) return;
    const steps = value.limit && value.step ? ` · step ${value.step} of at most ${value.limit}` : "";
    say(stage, `${value.stage.charAt(0).toUpperCase()}${value.stage.slice(1)}${steps}`);
    say(find(root, ".gs-loss"), value.losses.length ? `loss ${value.losses[value.losses.length - 1].toFixed(3)}` : "");
    bar.setAttribute("aria-valuemax", value.limit);
    bar.setAttribute("aria-valuenow", value.step);
    bar.dataset.running = value.running;
    find(bar, ".gs-bar-fill").style.width = value.limit ? `${(100 * value.step) / value.limit}%` : "0%";
    svg.style.display = value.losses.length ? "" : "none";
    svg.replaceChildren(...curve(value.losses, value.limit, FRAME).map(shapeNode));
    saving.hidden = value.running || !value.losses.length;
  });
}
