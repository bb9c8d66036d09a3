package office

import (
	"container/list"
	"crypto/sha256"
	"net/http"
	"sync"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// rememberedWrites is how many answers are kept for whoever asks again. An operator's command makes a few at a time.
const rememberedWrites = 10_000

// writes remembers what became of each write, by the id that its sender gave it: one whose answer was lost and that is sent
// again gets the first one's answer, also while that is still under way, and nothing is written twice.
type writes struct {
	mu    sync.Mutex
	known map[string]*write
	order *list.List // of ids, oldest first
}

type write struct {
	what [sha256.Size]byte // the request that the id is for
	done chan struct{}
	out  any
	err  error
}

func newWrites() *writes { return &writes{known: map[string]*write{}, order: list.New()} }

func (w *writes) once(r *http.Request, body []byte, do func() (any, error)) (any, error) {
	id := r.Header.Get(writeHeader)
	if id == "" || len(id) > 100 {
		return nil, sunset.Faultf(sunset.Invalid, "a write needs an id of its own in the header %s", writeHeader)
	}
	what := sha256.Sum256([]byte(r.Method + "\n" + r.RequestURI + "\n" + string(body)))
	w.mu.Lock()
	if first, again := w.known[id]; again {
		w.mu.Unlock()
		if first.what != what {
			return nil, sunset.Faultf(sunset.Invalid, "the id of the write is another one's")
		}
		<-first.done
		return first.out, first.err
	}
	this := &write{what: what, done: make(chan struct{}), err: sunset.Faultf(sunset.Internal, "the write did not come to its end")}
	w.known[id] = this
	w.order.PushBack(id)
	if w.order.Len() > rememberedWrites {
		delete(w.known, w.order.Remove(w.order.Front()).(string))
	}
	w.mu.Unlock()
	defer close(this.done)
	this.out, this.err = do()
	return this.out, this.err
}
