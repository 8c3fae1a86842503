const list = element.querySelector(".gs-tries");

function draw() {
  list.replaceChildren(...(data() ?? []).map((item) => {
    const row = el("li", `gs-try ${item.kind}`);
    row.append(el("p", "gs-try-prompt", item.prompt), el("p", "gs-try-text", item.text), el("p", "gs-try-label", item.label));
    return row;
  }));
}
draw();
watch("value", draw);
