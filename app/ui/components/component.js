// @ts-check
// What every component is given by Gradio, and how it follows its value.

/**
 * What a module's `start` gets: the component's element, its properties, how to tell the server of an event, how to be
 * told of a new property, and the names of the events that it may trigger.
 * @typedef {object} Component
 * @property {HTMLElement} element
 * @property {{value: any}} props
 * @property {(event: string, data: object) => void} trigger
 * @property {(property: string, run: () => void) => void} watch
 * @property {string[]} [events]
 */

/**
 * The value as an object; null while there is none.
 * @param {{value: any}} props
 */
export function valueOf({ value }) {
  if (!value) return null;
  return typeof value === "string" ? JSON.parse(value) : value;
}

/**
 * Draws the value now, and again whenever it changes; while there is none, nothing is drawn.
 * @param {Component} component
 * @param {(value: any) => void} draw
 */
export function follow({ props, watch }, draw) {
  const drawValue = () => {
    const value = valueOf(props);
    if (value) draw(value);
  };
  drawValue();
  watch("value", drawValue);
}
