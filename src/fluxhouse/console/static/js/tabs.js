// Makes tabs of sections that stand one under another; which language was chosen is kept for every page.
const CHOICE = 'fluxhouse:code';

const kept = () => { try { return localStorage.getItem(CHOICE); } catch { return null; } };
const keep = (name) => { try { localStorage.setItem(CHOICE, name); } catch { /* private browsing */ } };

function tab(section, list) {
  const button = document.createElement('button');
  button.type = 'button';
  button.role = 'tab';
  button.id = `tab-${section.id}`;
  button.textContent = section.querySelector('h3').textContent;
  button.setAttribute('aria-controls', section.id);
  section.role = 'tabpanel';
  section.setAttribute('aria-labelledby', button.id);
  list.append(button);
  return button;
}

export function makeTabs(root) {
  const sections = [...root.querySelectorAll(':scope > [data-tab]')];
  if (sections.length < 2) return;
  root.querySelector(':scope > .tabs')?.remove();
  const list = document.createElement('div');
  list.className = 'tabs';
  list.role = 'tablist';
  list.setAttribute('aria-label', 'Language');
  const buttons = sections.map((section) => tab(section, list));
  root.prepend(list);
  const show = (index) => {
    sections.forEach((section, at) => { section.hidden = at !== index; });
    buttons.forEach((button, at) => {
      button.setAttribute('aria-selected', String(at === index));
      button.tabIndex = at === index ? 0 : -1;
    });
  };
  const chosen = (index) => { show(index); keep(sections[index].dataset.tab); };
  buttons.forEach((button, at) => button.addEventListener('click', () => chosen(at)));
  list.addEventListener('keydown', (event) => {
    const at = buttons.indexOf(document.activeElement), last = buttons.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    chosen(to);
    buttons[to].focus();
  });
  show(Math.max(0, sections.findIndex((section) => section.dataset.tab === kept())));
}

document.querySelectorAll('[data-tabs]').forEach(makeTabs);
