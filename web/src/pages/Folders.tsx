// The reader's own documents: folders that the server indexes, for answers that cite them.
import { useEffect, useState } from 'preact/hooks';

import { api, ServerError } from '../api/client';
import type { Folder, Passage } from '../api/types';
import { number, t } from '../i18n';
import { explain } from '../i18n/explain';
import { say } from '../state/app';
import { openPassage } from '../ui/dialogs';
import { IconButton } from '../ui/icons';

function whyNot(error: unknown, path: string): string {
  if (!(error instanceof ServerError)) return explain(error);
  if (error.status === 404) return t('folderMissing', { path });
  if (error.message.includes('indexed already')) return t('folderThere', { path });
  if (error.message.includes('absolute path')) return t('folderWhole');
  return explain(error);
}

export function Folders() {
  const [folders, setFolders] = useState<Folder[] | null>(null);
  const [path, setPath] = useState('');
  const [query, setQuery] = useState('');
  const [found, setFound] = useState<Passage[] | null>(null);
  const load = async () => {
    try {
      setFolders(await api.folders());
    } catch (error) {
      say(explain(error), 'error');
    }
  };
  useEffect(() => void load(), []);
  const indexing = folders?.some((f) => f.state === 'indexing') ?? false;
  useEffect(() => {
    if (!indexing) return undefined;
    const timer = setInterval(() => void load(), 1000);
    return () => clearInterval(timer);
  }, [indexing]);
  const add = async () => {
    if (!path.trim()) return;
    try {
      await api.addFolder(path.trim());
      setPath('');
      await load();
    } catch (error) {
      say(whyNot(error, path.trim()), 'error');
    }
  };
  const look = async () => {
    try {
      setFound(await api.search(query, 10));
    } catch (error) {
      say(explain(error), 'error');
    }
  };
  return (
    <main class="page" aria-label={t('documents')} data-testid="folders-page">
      <h1>{t('documents')}</h1>
      <p>{t('documentsHint')}</p>
      <form class="row" onSubmit={(e) => { e.preventDefault(); void add(); }}>
        <input type="text" class="grow" value={path} placeholder={t('folderPath')} aria-label={t('folderPath')} onInput={(e) => setPath(e.currentTarget.value)} data-testid="folder-path" />
        <button type="submit" class="primary">{t('addFolder')}</button>
      </form>
      <ul class="plain items">
        {folders?.map((f) => (
          <li key={f.id} class="row item" data-testid="folder">
            <span class="grow"><strong>{f.path}</strong> <span class="quiet">{f.state === 'indexing' ? `${t('indexing')} ${t('indexed', { files: number(f.files), passages: number(f.passages) })}` : f.state === 'failed' ? (f.error ?? '') : t('indexed', { files: number(f.files), passages: number(f.passages) })}{f.unread_pdfs ? ` · ${t('unreadPdfs', { n: number(f.unread_pdfs) })}` : ''}</span></span>
            <IconButton icon="trash" label={t('removeFolder', { name: f.path })} onClick={() => void api.removeFolder(f.id).then(load, (error) => say(explain(error), 'error'))} />
          </li>
        ))}
      </ul>
      {folders && folders.length > 0 && (
        <section>
          <h2>{t('tryASearch')}</h2>
          <form class="row" onSubmit={(e) => { e.preventDefault(); void look(); }}>
            <input type="search" class="grow" value={query} aria-label={t('tryASearch')} onInput={(e) => setQuery(e.currentTarget.value)} />
            <button type="submit">{t('search')}</button>
          </form>
          {found && (found.length === 0 ? <p>{t('nothingFound')}</p> : (
            <ol class="plain items">
              {found.map((p) => <li key={p.id} class="item" data-testid="found"><button type="button" class="link" onClick={() => openPassage(p)}>{p.file}{p.title && p.title !== p.file ? ` · ${p.title}` : ''}</button><p class="quiet" dir="auto">{p.text.slice(0, 200)}</p></li>)}
            </ol>
          ))}
        </section>
      )}
    </main>
  );
}
