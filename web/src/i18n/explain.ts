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
    case 'answer_ended': case 'events_forgotten': return t('errorAnswerEnded');
    case 'conversations_full': return t('errorConversationsFull');
    case 'model_not_found': return t('errorModelNotFound');
    case 'invalid_csrf_token': return t('errorSession');
    case 'conversation_not_found': case 'unknown_answer': case 'key_not_found': case 'account_not_found': case 'code_not_found': return t('errorGone');
    default:
  }
  const again = error.retryAfter ? ` ${t('againIn', { time: seconds(error.retryAfter) })}` : '';
  if (error.status === 402) return t('noBalance');
  if (error.status === 429) return t('tooMany') + again;
  if (error.status === 503) return t('overloaded') + again;
  if (error.status === 413) return t('errorTooLarge');
  // What is left names a field or a value, in the server's words (English): what happened is said before them.
  const words = error.message;
  return t(error.status === 403 ? 'errorForbidden' : error.status >= 500 ? 'errorServer' : 'errorRefused', { words });
}
