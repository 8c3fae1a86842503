// Shared by all components of these pages. Everything shown goes through textContent: no HTML is ever built from data.

/** A new element with a class, a text and attributes. */
function el(tag, className = "", text = null, attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** The component's value; a first value may still be missing. */
function data() {
  const value = props.value;
  if (!value) return null;
  return typeof value === "string" ? JSON.parse(value) : value;
}

/** Set a text only where it differs, so that a live region is not announced again. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Keep what is on screen in the address, so that it can be copied and survives a reload. */
function setAddress(parameters) {
  const address = new URL(window.location.href);
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  window.history.replaceState(null, "", address);
}

/** Ask for the map with this edit selected, and make the address a link to it. */
function openMap(edit_id) {
  setAddress({ edit: edit_id, tab: "map" });
  trigger("open_map", { edit_id });
}
