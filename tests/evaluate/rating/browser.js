// As much of a browser as the rating page needs: elements, keys, a store and a download.
"use strict";
const store = {}, downloads = [];
let elements, keydown;
function element(id) {
  return {id, textContent: "", value: "", hidden: false, dataset: {}, listeners: {}, attributes: {},
    classList: {toggle() {}}, setAttribute(name, value) { this.attributes[name] = value; }, focus() {},
    addEventListener(kind, call) { this.listeners[kind] = call; },
    click() { if (this.listeners.click) this.listeners.click(); else downloads.push({name: this.download, text: this.href}); }};
}
const title = element("title"); title.dataset.say = "title";
const document = {documentElement: {}, createElement: () => element(""), querySelectorAll: () => [title],
  getElementById(id) { return elements[id] ??= element(id); },
  addEventListener(kind, call) { if (kind === "keydown") keydown = call; }};
const localStorage = {getItem: (name) => store[name] ?? null, setItem(name, value) { store[name] = value; }};
const parts = {document, localStorage, navigator: {language: "en-GB"}, confirm: () => true,
  Blob: class { constructor(texts) { this.text = texts.join(""); } },
  URL: {createObjectURL: (blob) => blob.text, revokeObjectURL() {}}};
function open() {
  elements = {data: {textContent: PAGE_DATA}};
  new Function(...Object.keys(parts), PAGE_SCRIPT)(...Object.values(parts));
}
const press = (key, tagName = "BODY") => keydown({key, target: {tagName}});
const told = {};
open();
elements.download.click();
told.nameless = [downloads.length, elements.warning.textContent];
press("1", "INPUT");
told.typed = elements.progress.value;
elements.rater.value = "李 Ann"; elements.rater.listeners.input();
press("2"); press("0");
elements.download.click();
told.unfinished = elements.warning.textContent;
open();
told.reopened = elements.count.textContent;
elements.language.click();
told.chinese = title.textContent;
press("2"); press("1"); press("ArrowLeft"); press("ArrowRight");
elements.download.click();
told.file = JSON.parse(downloads.at(-1).text);
told.name = downloads.at(-1).name;
elements.again.click();
told.cleared = elements.count.textContent;
console.log(JSON.stringify(told));
