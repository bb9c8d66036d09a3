package tests

import (
	"context"
	"encoding/json"
	"errors"
)

// loseFirst has a function do its work and loses the answer, the first time of each call.
func (w *world) loseFirst(function string, payload []byte) error {
	var in struct{ Name, Stage string }
	if err := json.Unmarshal(payload, &in); err != nil {
		return err
	}
	key := function + "/" + in.Name + "/" + in.Stage
	w.mu.Lock()
	lose := w.twice[function] && !w.lost[key]
	if w.twice[function] {
		w.lost[key] = lose
	}
	w.mu.Unlock()
	if !lose {
		return nil
	}
	_, _ = w.machine.Functions()[function](context.Background(), payload) // whatever it answers is lost
	return errors.New("the answer was lost")
}
