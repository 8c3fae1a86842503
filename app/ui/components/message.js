const boxed = element.querySelector(".gs-message");
const plain = element.querySelector(".gs-note");

function draw() {
  const value = data() ?? { text: "", tone: "note" };
  for (const tone of ["error", "good"]) boxed.classList.toggle(tone, value.tone === tone);
  say(boxed, value.tone === "plain" ? "" : value.text);
  say(plain, value.tone === "plain" ? value.text : "");
}
draw();
watch("value", draw);
