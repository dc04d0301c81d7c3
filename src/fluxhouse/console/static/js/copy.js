// Copies what a button's `data-copy` element holds: by the clipboard where the page is secure, else by a selection.
const said = (button, text) => {
  const before = button.textContent;
  button.textContent = text;
  const live = document.getElementById('live');
  if (live) live.textContent = text;
  setTimeout(() => { button.textContent = before; }, 2000);
};

const selected = (text) => {
  const field = document.createElement('textarea');
  field.value = text;
  field.readOnly = true;
  field.className = 'visually-hidden';
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  return done;
};

export async function copy(button, text) {
  try {
    if (window.isSecureContext) await navigator.clipboard.writeText(text);
    else if (!selected(text)) throw new Error('refused');
    said(button, 'Copied');
  } catch {
    said(button, selected(text) ? 'Copied' : 'Press Ctrl+C');
  }
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button[data-copy], button[data-copy-from]');
  if (!button) return;
  if (button.dataset.copyFrom) {
    const answer = await fetch(button.dataset.copyFrom);
    await copy(button, await answer.text());
    return;
  }
  const source = document.getElementById(button.dataset.copy);
  await copy(button, 'value' in source ? source.value : source.textContent);
});
