// A job that has not ended: asks how it stands while the tab is seen, and shows the page anew once that has changed.
import './copy.js';

const followed = document.querySelector('[data-follow]');
if (followed) {
  let before;
  const look = async () => {
    if (!document.hidden) {
      const answer = await fetch(followed.dataset.follow).catch(() => undefined);
      const status = answer?.ok ? (await answer.json()).status : before;
      if (before && status !== before) {
        location.reload();
        return;
      }
      before = status;
    }
    setTimeout(look, 1000);
  };
  look();
}
