// The video player: the browser's own controls, HLS through hls.js (or the browser itself), captions, transcript, and saved progress.
import { announce, el, hiddenText, icon } from "./dom.js";
import { clock, spokenClock, timeNow } from "./format.js";
import { ProgressSaver, SAVE_EVERY_S } from "./progress.js";
import { Watched } from "./watched.js";

const NEAR_END_S = 3;
const SAME_PLACE_S = 10;
const STATE_WORDS = {
  saving: () => "Saving…",
  saved: () => `Saved at ${timeNow()}`,
  waiting: () => "Not saved yet. It is kept on this device and sent as soon as possible.",
  "signed-out": () => "You have been signed out. Sign in again to save your progress.",
  refused: () => "Progress cannot be saved here.",
};

const MEDIA_WORDS = {
  waiting: "The rest of the video cannot be loaded just now. It goes on by itself as soon as Firstbell answers again.",
  "signed-out": "You have been signed out. Sign in again, and the video goes on where you were.",
  gone: "This video is not open to you any more. Load the page again to see what is.",
};

/** The player's code comes while the page is read; nothing of the video does: a class that opens a page at once would load it at once. */
const library = () => import("/web/vendor/hls.mjs").then((module) => module.default);

/** While it is at work, whoever calls it again gets what is under way. */
function oneAtATime(work) {
  let going = null;
  return () => {
    going ??= work().finally(() => { going = null; });
    return going;
  };
}

/** Whoever presses "play" where the player stands still does not wait for the next try. */
function goOnWhenAsked(video, media, goOn) {
  video.addEventListener("play", () => {
    if (media.state === "ready") return;
    media.hurry();
    goOn();
  });
}

/** A browser that plays HLS itself says only that it failed: its address may have ended, so it gets another one, and goes on where it was. */
function attachItself(video, content, startS, media) {
  let tries = 0; // at one place: what breaks there again and again is not the address
  let placeS = startS;
  const load = () => {
    video.src = media.address(content.hls);
    video.addEventListener("loadedmetadata", () => { video.currentTime = placeS; }, { once: true });
    video.play()?.catch(() => {}); // a new source pauses what was told to play
  };
  const goOn = oneAtATime(async () => {
    if (await media.wait()) load();
  });
  video.addEventListener("error", () => {
    const seconds = video.currentTime || placeS;
    if (Math.abs(seconds - placeS) > SAME_PLACE_S) tries = 0;
    placeS = seconds;
    if (tries++ > 2) return void video.dispatchEvent(new CustomEvent("broken"));
    media.refused(false);
    goOn();
  });
  goOnWhenAsked(video, media, goOn);
  load();
}

async function attach(video, content, startS, media) {
  const Hls = await library();
  await media.fresh();
  if (!Hls.isSupported()) {
    if (!video.canPlayType("application/vnd.apple.mpegurl")) throw new Error("This browser plays neither MSE nor HLS.");
    attachItself(video, content, startS, media);
    return;
  }
  // What is named in a playlist keeps the token that the playlist had; each request has the newest one.
  const xhrSetup = async (xhr, url) => {
    await media.fresh();
    xhr.open("GET", media.address(url), true);
  };
  const hls = new Hls({ startPosition: startS, enableWorker: false, capLevelToPlayerSize: true, maxBufferLength: 20, maxMaxBufferLength: 30, backBufferLength: 30, xhrSetup });
  const goOn = oneAtATime(async () => {
    if (!(await media.wait())) return;
    if (hls.levels.length) hls.startLoad();
    else hls.loadSource(media.address(content.hls));
  });
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play()?.catch(() => {})); // a new source pauses what was told to play
  let recoveries = 0;
  let failures = 0; // since something was loaded
  hls.on(Hls.Events.FRAG_LOADED, () => { failures = 0; });
  hls.on(Hls.Events.ERROR, (event, data) => {
    if (data.response?.code === 401 || data.response?.code === 403) media.refused();
    if (!data.fatal) return;
    const isMedia = data.type === Hls.ErrorTypes.MEDIA_ERROR;
    if ((isMedia ? recoveries++ : failures++) > 5) video.dispatchEvent(new CustomEvent("broken"));
    else if (isMedia) hls.recoverMediaError();
    else setTimeout(goOn, 1000 * 2 ** failures);
  });
  goOnWhenAsked(video, media, goOn);
  hls.loadSource(media.address(content.hls));
  hls.attachMedia(video);
}

function addTracks(video, captions, media) {
  for (const one of captions || []) video.append(media.retry(el("track", { kind: "captions", srclang: one.lang, label: one.label, src: media.address(one.src) })));
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
    ? el("ol", {}, cues.map((cue) => el("li", {}, el("button", { class: "cue-time", type: "button", on: { click: () => seek(cue.start_s) } }, hiddenText("Play from "), clock(cue.start_s)), el("span", {}, cue.text))))
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

/** What the student sees of saving. Ears hear it when play rests or when something is wrong, not every ten seconds. */
function saveState(video, item) {
  const line = el("p", { class: "save-state", "data-item": item.id });
  const show = (name) => {
    const before = line.dataset.saveState;
    if (name === "saving" && before === "saved") return; // no flicker
    const worthHearing = name !== "saving" && (name !== "saved" || video.paused || (before !== "saving" && before !== "saved"));
    if (worthHearing) announce(STATE_WORDS[name]());
    line.textContent = STATE_WORDS[name]();
    line.dataset.saveState = name;
    if (name === "signed-out") line.append(" ", el("a", { href: `/sign-in?next=${encodeURIComponent(location.pathname)}` }, "Sign in"));
  };
  return { line, show };
}

/** Why nothing more of the video comes, and what to do, while that is so. */
function mediaState(media, video) {
  const line = el("p", { class: "notice notice-info media-state", hidden: true });
  media.onState = (state) => {
    if (line.contains(document.activeElement)) video.focus(); // what has it goes away
    line.hidden = state === "ready";
    line.dataset.mediaState = state;
    if (line.hidden) return void line.replaceChildren();
    announce(MEDIA_WORDS[state]);
    const words = el("span", {}, MEDIA_WORDS[state]);
    if (state === "signed-out") words.append(" ", el("a", { href: `/sign-in?next=${encodeURIComponent(location.pathname)}` }, "Sign in"));
    line.replaceChildren(icon(state === "waiting" ? "clock" : "info"), words);
  };
  return line;
}

const resumePoint = (item) => (item.status !== "completed" && item.position_s > 1 && item.position_s < item.content.duration_s - NEAR_END_S ? item.position_s : 0);

/**
 * @param {object} item a video item with content
 * @param {((answer: object) => void)|null} onSaved called with the progress the server has now; null: a preview
 */
export function player(item, me, onSaved) {
  const content = item.content;
  const resumeS = resumePoint(item);
  const media = item.links;
  const video = el("video", { playsinline: true, preload: "none", poster: media.address(content.poster), "aria-label": item.title });
  addTracks(video, content.captions, media);
  const { line, show } = saveState(video, item);
  const known = { userId: me.id, itemId: item.id, percent: item.percent, position_s: item.position_s };
  if (onSaved) watchProgress(video, item, new ProgressSaver(known, { onState: show, onSaved }));

  const notice = el("p", { class: "notice notice-error", role: "alert", hidden: true });
  const broken = () => {
    notice.replaceChildren(icon("warning"), el("span", {}, "The video cannot be played just now. Load the page again, or read the transcript below."));
    notice.hidden = false;
  };
  video.addEventListener("broken", broken);
  const stopped = mediaState(media, video);

  const words = resumeS ? `Continue at ${clock(resumeS)}` : "Play";
  const big = el("button", { class: "play-button", type: "button", "aria-label": `${words}: ${item.title}, ${spokenClock(content.duration_s)}` }, icon("play"), el("span", { "aria-hidden": "true" }, words));
  const again = resumeS ? el("button", { class: "button", type: "button" }, "Play from the beginning") : null;
  let started = false;
  const playFrom = (seconds) => {
    again?.remove();
    if (started) {
      video.currentTime = seconds;
    } else {
      started = true;
      big.remove();
      video.controls = true;
      video.focus();
      attach(video, content, seconds, media).catch(broken);
    }
    video.play()?.catch(() => {}); // refused without a gesture or interrupted by a seek: the controls are there
  };
  big.addEventListener("click", () => playFrom(resumeS));
  again?.addEventListener("click", () => playFrom(0));
  setTimeout(() => library().catch(() => {}), 1000);

  const tools = el("div", { class: "player-tools" }, content.captions?.length ? captionsButton(video) : null, again, line);
  const frame = el("div", { class: "player", "data-resume": resumeS }, video, big);
  return [frame, notice, stopped, tools, transcript(content, playFrom)].filter(Boolean);
}
