// Keeps the app's own files, so that it opens without the server (and says so); never an answer of the API. FILES, what
// the first view and its pages need, is written here by the build: it is fetched at once, so that one visit is enough.
const FILES = [];
const CACHE = 'limpid-files';
const own = (url) => url.origin === location.origin && (url.pathname.endsWith('/') || /\.(?:html|js|css|svg|png|woff2|webmanifest|mjs)$/.test(url.pathname));
// Their names change with their content.
const lasting = (url) => /\/assets\/.*-[\w-]{8}\.\w+$/.test(url.pathname);

self.addEventListener('install', (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      await Promise.all(FILES.map(async (file) => {
        if (lasting(new URL(file, location.href)) && (await cache.match(file))) return;
        const response = await fetch(file, { cache: 'no-cache' });
        if (response.ok) await cache.put(file, response);
      }));
      await self.skipWaiting();
    })(),
  );
});
self.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      const kept = new Set(FILES.map((file) => new URL(file, location.href).href));
      const cache = await caches.open(CACHE);
      for (const request of await cache.keys()) if (lasting(new URL(request.url)) && !kept.has(request.url)) await cache.delete(request);
      await self.clients.claim();
    })(),
  );
});
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== 'GET' || !own(url)) return;
  event.respondWith(
    (async () => {
      const cache = await caches.open(CACHE);
      const kept = await cache.match(request);
      if (kept && lasting(url)) return kept;
      try {
        const response = await fetch(request);
        if (response.ok) await cache.put(request, response.clone());
        return response;
      } catch (error) {
        if (kept) return kept;
        throw error;
      }
    })(),
  );
});
