// @ts-check
// What is on screen stands in the page's address, so that it can be copied and survives a reload.

/** @param {Record<string, string | null>} parameters null: it does not stand there any more */
export function setAddress(parameters) {
  const address = new URL(window.location.href);
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null) address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  window.history.replaceState(null, "", address);
}

/**
 * Ask for the map with this edit selected, and make the address a link to it.
 * @param {import("./component.js").Component["trigger"]} trigger
 * @param {string} edit_id
 */
export function openMap(trigger, edit_id) {
  setAddress({ edit: edit_id, tab: "map" });
  trigger("open_map", { edit_id });
}
