// Why something failed, in the reader's language where the app knows the reason; else in the server's words.
import { ServerError } from '../api/client';
import { seconds, t } from './index';

export function explain(error: unknown): string {
  if (!(error instanceof ServerError)) return (error as Error).message;
  if (error.unreachable) return t('unreachable');
  switch (error.code) {
    case 'invalid_login': return t('wrongLogin');
    case 'name_taken': return t('nameTaken');
    case 'invalid_code': return t('wrongCode');
    case 'context_length_exceeded': return t('contextExceeded');
    default:
  }
  const again = error.retryAfter ? ` ${t('againIn', { time: seconds(error.retryAfter) })}` : '';
  if (error.status === 402) return t('noBalance');
  if (error.status === 429) return t('tooMany') + again;
  if (error.status === 503) return t('overloaded') + again;
  return error.message;
}
