package tests

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/store"
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

// plant writes a row past everybody, as someone with access to the store could.
func (w *world) plant(key string, body []byte) {
	w.t.Helper()
	dir, err := store.OpenDir(w.dir, store.NoSync())
	require.NoError(w.t, err)
	_, err = dir.Rows().Put(context.Background(), key, 0, body)
	require.NoError(w.t, err)
}

// approverKey is how an approver is named in keys.
func approverKey(email string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(email)))
	return hex.EncodeToString(sum[:])
}
