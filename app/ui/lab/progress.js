const root = element.querySelector(".gs-progress");
const stage = element.querySelector(".gs-stage");
const share = element.querySelector(".gs-loss");
const bar = element.querySelector(".gs-bar");
const fill = element.querySelector(".gs-bar-fill");

function draw() {
  const value = data();
  root.hidden = !value?.stage;
  if (root.hidden) return;
  const percent = Math.round(100 * value.fraction);
  say(stage, value.stage);
  say(share, `${percent} %`);
  bar.setAttribute("aria-valuenow", percent);
  fill.style.width = `${percent}%`;
}
draw();
watch("value", draw);
