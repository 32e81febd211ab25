"use strict";
// Copy buttons are shown only where this runs: without a script the command can still be selected whole.
const said = document.getElementById("said");
function byHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done ? Promise.resolve() : Promise.reject(new Error("refused"));
}
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const code = button.parentElement.querySelector("code");
    const text = code.textContent;
    const way = navigator.clipboard ? navigator.clipboard.writeText(text).catch(() => byHand(text)) : byHand(text);
    way.then(() => {
      button.textContent = "Copied";
      said.textContent = "Command copied";
      setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 1600);
    }).catch(() => {
      getSelection().selectAllChildren(code);
      said.textContent = "Command selected: copy it with the keyboard";
      button.focus();
    });
  });
}
