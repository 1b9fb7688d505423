/** The symbols of the reels, drawn in one hand: flat shapes, one light from the upper left. */
import type { ReactNode } from "react";

const DRAWN: Readonly<Record<string, ReactNode>> = {
  cherry: (
    <>
      <path
        d="M50 18C44 36 34 46 32 60M50 18c8 16 16 26 18 42"
        fill="none"
        stroke="#3f7d3a"
        strokeWidth="5"
        strokeLinecap="round"
      />
      <path d="M50 18c10-10 24-9 32-3-8 10-22 12-32 3z" fill="#57a04f" />
      <circle cx="32" cy="70" r="17" fill="#c62828" />
      <circle cx="68" cy="70" r="17" fill="#b71c1c" />
      <path
        d="M22 66a11 11 0 0 1 8-9M58 66a11 11 0 0 1 8-9"
        fill="none"
        stroke="#ff9a8f"
        strokeWidth="4"
        strokeLinecap="round"
      />
    </>
  ),
  lemon: (
    <>
      <path
        d="M14 58C14 36 34 22 54 24c8 1 13-5 20-4 8 1 6 10 10 18 6 24-12 44-36 44-10 0-14 4-20 2-6-3-4-9-8-14-4-4-6-8-6-12z"
        fill="#f2c230"
      />
      <path d="M26 54c2-12 12-20 24-21" fill="none" stroke="#fff3b0" strokeWidth="5" strokeLinecap="round" />
    </>
  ),
  orange: (
    <>
      <circle cx="50" cy="55" r="30" fill="#ef7d1a" />
      <path d="M50 27c4-12 16-16 26-13-3 10-14 16-26 13z" fill="#57a04f" />
      <path d="M29 50a22 22 0 0 1 14-14" fill="none" stroke="#ffc98a" strokeWidth="5" strokeLinecap="round" />
      <g fill="#c85f08">
        <circle cx="60" cy="50" r="2" />
        <circle cx="66" cy="62" r="2" />
        <circle cx="52" cy="68" r="2" />
        <circle cx="44" cy="58" r="2" />
      </g>
    </>
  ),
  plum: (
    <>
      <path d="M50 30c20-8 34 8 32 28S66 88 50 86 18 78 18 58s14-36 32-28z" fill="#6a3d9a" />
      <path d="M50 30c-2-6 0-12 4-16" fill="none" stroke="#5b4030" strokeWidth="5" strokeLinecap="round" />
      <path d="M50 32c-5 14-5 38 0 52" fill="none" stroke="#4a2673" strokeWidth="3" strokeLinecap="round" />
      <path d="M27 55c0-9 5-16 12-19" fill="none" stroke="#c7a4e8" strokeWidth="5" strokeLinecap="round" />
    </>
  ),
  bell: (
    <>
      <circle cx="50" cy="79" r="8" fill="#8a5a00" />
      <path
        d="M50 16c18 0 24 14 25 30 1 14 5 18 9 24 1 3-1 5-4 5H20c-3 0-5-2-4-5 4-6 8-10 9-24 1-16 7-30 25-30z"
        fill="#e0a526"
      />
      <path d="M34 48c0-10 4-18 11-21" fill="none" stroke="#fff0bf" strokeWidth="5" strokeLinecap="round" />
      <path d="M18 68h64" stroke="#b57e10" strokeWidth="4" />
    </>
  ),
  star: (
    <>
      <path
        d="M50 12l11 25 27 3-20 18 6 27-24-14-24 14 6-27-20-18 27-3z"
        fill="#2f8fbf"
        strokeLinejoin="round"
        stroke="#2f8fbf"
        strokeWidth="4"
      />
      <path d="M50 12L50 71 26 85l6-27-20-18 27-3z" fill="#62b7df" />
    </>
  ),
  seven: (
    <>
      <path
        d="M22 18h58v16C64 48 58 64 56 86H34c2-20 10-36 24-48H38l-2 8H22z"
        fill="#d32f2f"
        stroke="#7f1313"
        strokeWidth="4"
        strokeLinejoin="round"
      />
      <path d="M29 25h43" stroke="#ffb0a6" strokeWidth="4" strokeLinecap="round" />
    </>
  ),
  wild: (
    <>
      <path
        d="M50 10l34 22v36L50 90 16 68V32z"
        fill="#12805c"
        stroke="#0a5a40"
        strokeWidth="4"
        strokeLinejoin="round"
      />
      <path d="M50 10L16 32l34 12 34-12z" fill="#4fc79b" />
      <path d="M50 44v46L16 68V32z" fill="#1fa877" />
      <path
        d="M26 50l6 18 8-13 8 13M52 68l8-13 8 13 6-18"
        fill="none"
        stroke="#fff"
        strokeWidth="5"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </>
  ),
};

export const SYMBOLS = Object.keys(DRAWN);

/** A symbol; of one that these pages do not know, its name. */
export function Drawing(props: { name: string }) {
  return (
    <svg viewBox="0 0 100 100" aria-hidden="true" focusable="false">
      {DRAWN[props.name] ?? (
        <text x="50" y="58" textAnchor="middle" fontSize="22" fill="currentColor">
          {props.name.slice(0, 8)}
        </text>
      )}
    </svg>
  );
}
