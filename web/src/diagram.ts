// The inside of diagram.html: draws what it is sent and sends the SVG back. See text/diagram.ts.
import mermaid from 'mermaid';

addEventListener('message', async (event: MessageEvent<{ number: number; source: string; dark: boolean }>) => {
  const { number, source, dark } = event.data;
  try {
    mermaid.initialize({ startOnLoad: false, securityLevel: 'strict', theme: dark ? 'dark' : 'default', htmlLabels: false, maxTextSize: 20_000, maxEdges: 300 });
    const { svg } = await mermaid.render(`diagram${number}`, source);
    parent.postMessage({ number, svg }, '*');
  } catch (error) {
    parent.postMessage({ number, error: (error as Error).message }, '*');
  }
});
parent.postMessage({ ready: true }, '*');
