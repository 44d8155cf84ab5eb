// Tries again by itself, later and later, so that a busy platform is not asked by everybody in the same second.
const line = document.getElementById("retry");
let wait = 5 + Math.random() * 10;

async function tryAgain() {
  try {
    const answer = await fetch(location.href, { method: "HEAD", cache: "no-store", redirect: "manual" });
    if (answer.status !== 502 && answer.status !== 503 && answer.status !== 504) {
      location.reload();
      return;
    }
  } catch {
    // still away
  }
  wait = Math.min(120, wait * 1.6);
  setTimeout(tryAgain, wait * 1000);
}

line.textContent = "You may also leave this page open: it tries again by itself.";
setTimeout(tryAgain, wait * 1000);
