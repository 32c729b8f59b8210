// Server-sent events from a fetch body: whole events as they come, comments (keep-alive) counted but not shown.

export interface ServerEvent {
  id: string;
  event: string;
  data: string;
}

export async function* serverEvents(body: ReadableStream<Uint8Array>, onAlive?: () => void): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let id = '';
  let event = '';
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onAlive?.();
      rest += decoder.decode(value, { stream: true });
      let from = 0;
      for (;;) {
        const end = rest.indexOf('\n', from);
        if (end < 0) break;
        const line = rest.slice(from, end).replace(/\r$/, '');
        from = end + 1;
        if (line === '') {
          if (data.length) yield { id, event, data: data.join('\n') };
          event = '';
          data = [];
          continue;
        }
        const colon = line.indexOf(':');
        const field = colon < 0 ? line : line.slice(0, colon);
        const value2 = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'data') data.push(value2);
        else if (field === 'event') event = value2;
        else if (field === 'id') id = value2;
      }
      rest = rest.slice(from);
    }
  } finally {
    // Leaving early (stop, an error) tells the server: it cancels within a step.
    await reader.cancel().catch(() => undefined);
  }
}
