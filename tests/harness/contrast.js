// Every visible text of the page whose contrast with its ground is below WCAG 2's level AA (success criterion 1.4.3).
const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
const linear = (one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
const light = (colour) => {
  const [red, green, blue] = colour.slice(0, 3).map((one) => linear(one / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const ground = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const found = channels(getComputedStyle(one).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return [255, 255, 255];
};
const pale = [];
for (const element of document.body.querySelectorAll("*")) {
  const texts = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  if (!texts.length || element.closest("svg") || !element.checkVisibility() || element.tagName === "OPTION") continue;
  const style = getComputedStyle(element);
  const [one, other] = [light(channels(style.color)), light(ground(element))].sort((a, b) => b - a);
  const ratio = (one + 0.05) / (other + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5)) pale.push(`${element.tagName} ${texts[0].textContent.trim()}: ${ratio.toFixed(2)}`);
}
return pale;
