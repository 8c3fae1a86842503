// @ts-check
// Light or dark. The choice stays in this browser; without one, the system's preference holds.
import { find } from "./dom.js";

/** @param {import("./component.js").Component} component */
export function start({ element }) {
  find(element, "button").addEventListener("click", () => {
    const dark = document.body.classList.toggle("dark");
    try {
      localStorage.setItem("grace-studio.mode", dark ? "dark" : "light");
    } catch (error) {
      console.warn("The browser keeps no settings for this page:", error);
    }
  });
}
