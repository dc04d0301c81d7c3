// Before and after in one frame, parted where a range input stands.
export function compare(before, after, size) {
  const figure = document.getElementById('comparison').content.cloneNode(true).firstElementChild;
  const frame = figure.querySelector('.compare'), range = figure.querySelector('input');
  frame.style.setProperty('--ratio', size);
  figure.querySelector('[data-before]').src = before;
  figure.querySelector('[data-after]').src = after;
  const move = () => frame.style.setProperty('--at', `${range.value}%`);
  range.addEventListener('input', move);
  move();
  document.getElementById('compare-place').replaceChildren(figure);
  range.focus();
}
