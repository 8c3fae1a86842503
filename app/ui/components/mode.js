// The choice stays in this browser; without one, the system's preference holds.
element.querySelector("button").addEventListener("click", () => {
  const dark = document.body.classList.toggle("dark");
  try {
    localStorage.setItem("grace-studio.mode", dark ? "dark" : "light");
  } catch (error) {
    console.warn("The browser keeps no settings for this page:", error.message);
  }
  window.dispatchEvent(new CustomEvent("grace-studio:mode", { detail: { dark } }));
});
