// The header, and what holds for the whole page: its address and its keys.
const model = element.querySelector(".gs-model");
const count = element.querySelector(".gs-count");

function draw() {
  const value = data();
  if (!value) return;
  say(model, value.model);
  model.title = value.detail;
  say(count, value.edits === 1 ? "1 edit in force" : `${value.edits} edits in force`);
}
draw();
watch("value", draw);

// A tab's own event also fires when it is first drawn, which would overwrite the address it was opened with.
document.addEventListener("click", (event) => {
  const tab = event.target.closest?.("#gs-tabs [role=tab][data-tab-id]");
  if (tab && element.isConnected) setAddress({ tab: tab.dataset.tabId });
});

// Ctrl or Cmd with Enter presses the button of the field one is in.
const BUTTONS = { "gs-prompt": "gs-send", "gs-target": "gs-edit", "gs-phrasings": "gs-edit", "gs-source-url": "gs-edit", "gs-phrasing": "gs-ask" };
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !element.isConnected) return;
  const field = event.target.closest?.(Object.keys(BUTTONS).map((id) => `#${id}`).join(", "));
  if (!field) return;
  event.preventDefault();
  document.getElementById(BUTTONS[field.id])?.click();
});
