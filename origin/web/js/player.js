// The video player: the browser's own controls, HLS through hls.js (or the browser itself), captions, transcript, and saved progress.
import { announce, el, icon } from "./dom.js";
import { clock, count, spokenClock, timeNow } from "./format.js";
import { ProgressSaver, SAVE_EVERY_S } from "./progress.js";
import { Watched } from "./watched.js";

const NEAR_END_S = 3;
const STATE_WORDS = {
  saving: () => "Saving…",
  saved: () => `Saved at ${timeNow()}`,
  waiting: () => "Not saved yet. It is kept on this device and sent as soon as possible.",
  "signed-out": () => "You have been signed out. Sign in again to save your progress.",
  refused: () => "Progress cannot be saved here.",
};

/** Loads nothing of the video before somebody wants to see it: a class that opens a page at once would otherwise load it at once. */
async function attach(video, content, startS) {
  const { default: Hls } = await import("/web/vendor/hls.mjs");
  if (!Hls.isSupported()) {
    if (!video.canPlayType("application/vnd.apple.mpegurl")) throw new Error("no player");
    video.src = content.hls;
    video.addEventListener("loadedmetadata", () => { video.currentTime = startS(); }, { once: true });
    return;
  }
  const hls = new Hls({ autoStartLoad: false, enableWorker: false, capLevelToPlayerSize: true, maxBufferLength: 20, backBufferLength: 30 });
  hls.loadSource(content.hls);
  hls.attachMedia(video);
  video.addEventListener("play", () => hls.startLoad(startS()), { once: true });
  let recoveries = 0;
  hls.on(Hls.Events.ERROR, (event, data) => {
    if (!data.fatal) return;
    if (recoveries++ > 5) video.dispatchEvent(new CustomEvent("broken"));
    else if (data.type === Hls.ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
    else setTimeout(() => hls.startLoad(), 1000 * 2 ** recoveries);
  });
}

function addTracks(video, captions) {
  for (const one of captions || []) video.append(el("track", { kind: "captions", srclang: one.lang, label: one.label, src: one.src }));
}

const CAPTIONS_KEY = "firstbell.captions";

function wantsCaptions() {
  try {
    return localStorage.getItem(CAPTIONS_KEY) === "on";
  } catch {
    return false;
  }
}

function captionsButton(video) {
  const button = el("button", { class: "button", type: "button", "aria-pressed": "false" }, icon("captions"), "Captions");
  const tracks = () => [...video.textTracks].filter((track) => track.kind === "captions" || track.kind === "subtitles");
  const show = (on) => tracks().forEach((track, index) => { track.mode = on && index === 0 ? "showing" : "disabled"; });
  const reflect = () => {
    const on = tracks().some((track) => track.mode === "showing");
    button.setAttribute("aria-pressed", String(on));
    return on;
  };
  button.addEventListener("click", () => show(!reflect()));
  video.textTracks.addEventListener("change", () => {
    const on = reflect();
    try {
      localStorage.setItem(CAPTIONS_KEY, on ? "on" : "off");
    } catch {
      /* the choice is forgotten, nothing else */
    }
  });
  if (wantsCaptions()) show(true);
  return button;
}

function transcript(content, seek) {
  if (!content.transcript || !content.transcript.length) return null;
  const cues = Array.isArray(content.transcript) ? content.transcript : null;
  const body = cues
    ? el("ol", {}, cues.map((cue) => el("li", {}, el("button", { class: "cue-time", type: "button", "aria-label": `Play from ${spokenClock(cue.start_s)}`, on: { click: () => seek(cue.start_s) } }, clock(cue.start_s)), el("span", {}, cue.text))))
    : content.transcript.split(/\n{2,}/).map((text) => el("p", {}, text));
  return el("details", { class: "transcript prose" }, el("summary", {}, "Transcript"), body);
}

function watchProgress(video, item, saver) {
  const watched = new Watched(item.content.duration_s, item.percent);
  let last = null;
  const note = () => {
    const now = performance.now();
    const spentS = last === null ? 0 : (now - last) / 1000;
    last = video.paused || video.ended ? null : now;
    watched.add(video.played);
    saver.note({ position_s: video.currentTime, percent: watched.percent, spentS });
  };
  let ticking = null;
  const tick = () => { note(); saver.flush(); };
  video.addEventListener("playing", () => {
    note();
    ticking ??= setInterval(tick, SAVE_EVERY_S * 1000);
  });
  const rest = () => {
    clearInterval(ticking);
    ticking = null;
    tick();
  };
  video.addEventListener("pause", rest);
  video.addEventListener("ended", rest);
  video.addEventListener("seeked", () => { if (video.paused) tick(); });
  const leave = () => {
    if (!video.played.length) return;
    note();
    saver.flushLast();
  };
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") leave(); });
  addEventListener("pagehide", leave);
}

/**
 * @param {object} item a video item with content
 * @param {(answer: object) => void} onSaved called with the progress the server has now
 */
export function player(item, me, onSaved) {
  const content = item.content;
  const video = el("video", { controls: true, playsinline: true, preload: "none", poster: content.poster, "aria-label": item.title });
  const resumeS = item.status !== "completed" && item.position_s > 1 && item.position_s < content.duration_s - NEAR_END_S ? item.position_s : 0;
  let startS = resumeS;
  addTracks(video, content.captions);

  const state = el("p", { class: "save-state", "data-item": item.id });
  const show = (name) => {
    const trouble = name !== "saved" && name !== "saving";
    if (name === "saving" && state.dataset.saveState === "saved") return; // no flicker every ten seconds
    if ((trouble || video.paused) && name !== "saving" && state.dataset.saveState !== name) announce(STATE_WORDS[name]());
    state.textContent = STATE_WORDS[name]();
    state.dataset.saveState = name;
    if (name === "signed-out") state.append(" ", el("a", { href: `/sign-in?next=${encodeURIComponent(location.pathname)}` }, "Sign in"));
  };
  const saver = new ProgressSaver({ userId: me.id, itemId: item.id, percent: item.percent, position_s: item.position_s }, { onState: show, onSaved });
  watchProgress(video, item, saver);

  const seek = (seconds) => {
    if (video.readyState > 0) video.currentTime = seconds;
    else startS = seconds;
    video.play();
  };
  const again = resumeS ? el("button", { class: "button", type: "button", on: { click: () => { again.remove(); seek(0); } } }, "Play from the beginning") : null;
  const where = resumeS ? el("p", { class: "muted", "data-resume": resumeS }, `You stopped at ${clock(resumeS)}. Play goes on from there.`) : null;
  const notice = el("p", { class: "notice notice-error", role: "alert", hidden: true });
  const broken = () => {
    notice.replaceChildren(icon("warning"), el("span", {}, "The video cannot be played just now. Load the page again, or read the transcript below."));
    notice.hidden = false;
  };
  video.addEventListener("broken", broken);
  attach(video, content, () => startS).catch(broken);
  const tools = el("div", { class: "player-tools" }, content.captions?.length ? captionsButton(video) : null, again, state);
  const length = el("p", { class: "visually-hidden" }, `The video lasts ${count(Math.round(content.duration_s), "second")}.`);
  return [el("div", { class: "player" }, video), length, where, notice, tools, transcript(content, seek)].filter(Boolean);
}
