// Keeps the app's own files, so that it opens without the server (and says so); never an answer of the API.
const CACHE = 'limpid-files';
const own = (url) => url.origin === location.origin && (url.pathname.endsWith('/') || /\.(?:html|js|css|svg|woff2|webmanifest|mjs)$/.test(url.pathname));
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !own(new URL(request.url))) return;
  event.respondWith(
    (async () => {
      const cache = await caches.open(CACHE);
      try {
        const response = await fetch(request);
        if (response.ok) await cache.put(request, response.clone());
        return response;
      } catch (error) {
        const kept = await cache.match(request);
        if (kept) return kept;
        throw error;
      }
    })(),
  );
});
