// A part of the app that is fetched when it is first shown.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import { t } from '../i18n';

/** `inside`: of a page, not a page of its own. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>, inside = false): ComponentType<P> {
  let loaded: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const [Part, setPart] = useState<ComponentType<P> | null>(() => loaded);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (Part) return;
      load().then(
        (part) => {
          loaded = part;
          setPart(() => part);
        },
        () => setFailed(true),
      );
    }, [Part]);
    if (Part) return <Part {...props} />;
    const words = <p role="status">{failed ? t('unreachable') : t('waiting')}</p>;
    return inside ? words : <main class="page">{words}</main>;
  };
}
