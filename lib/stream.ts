// What every torrent of the stream has in common, for those who make them and those who only have a pointer to one.

/** The trackers of the stream's torrents, all in one tier. */
export const STREAM_TRACKERS: readonly string[] = [
  "udp://tracker.opentrackr.org:1337/announce",
  "udp://tracker.torrent.eu.org:451/announce",
];
