// The new key in a dialog that nothing closes but "I have saved it"; without this script it stands in the page.
import './copy.js';

const dialog = document.getElementById('made');
if (dialog) {
  dialog.close();
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  dialog.showModal();
  document.getElementById('text').select();
}
