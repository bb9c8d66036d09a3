package stepfunctions_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/journal"
	"github.com/iam-sunset/iam-sunset/internal/embedded/signature"
)

// childJournal, where set, makes TestChild a process that runs cases on that journal until it is killed.
const childJournal = "SUNSET_TEST_JOURNAL"

// TestChild starts a case a day, each through its fortnight, and says which starts were answered.
func TestChild(t *testing.T) {
	path := os.Getenv(childJournal)
	if path == "" {
		t.Skip("it is TestSIGKILL's child")
	}
	file, err := journal.Open(path)
	require.NoError(t, err)
	key, err := signature.NewKey(rand.NewChaCha8([32]byte{5}))
	require.NoError(t, err)
	s := &stubs{clock: clock.NewVirtual(start())}
	engine, err := engineOn(t, s, shipped(t), key, file, nil)
	require.NoError(t, err)
	fmt.Println("taken up:", len(engine.Executions()))
	for i := len(engine.Executions()); ; i++ {
		body := fmt.Sprintf(`{"stateMachineArn": %q, "name": "case-%d", "input": %q}`, engine.StateMachineARN(), i, caseInput(i))
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, startRequest(t, engine.Key(), body))
		require.Equal(t, 200, w.Code, w.Body)
		fmt.Println("acknowledged:", i)
		slept := false
		s.clock.AfterFunc(s.clock.Now().Add(24*time.Hour), func() { slept = true })
		require.NoError(t, s.clock.RunUntil(t.Context(), func() bool { return slept }))
	}
}

// TestSIGKILL kills a process while it writes, again and again, each on what the one before left.
func TestSIGKILL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	acknowledged := -1
	for round := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), childJournal+"="+path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for seen := 0; lines.Scan(); {
			require.NotContains(t, lines.Text(), "FAIL")
			if n, ok := strings.CutPrefix(lines.Text(), "taken up: "); ok {
				taken, err := strconv.Atoi(n)
				require.NoError(t, err)
				require.Greater(t, taken, acknowledged, "a start that was answered is lost")
			}
			if n, ok := strings.CutPrefix(lines.Text(), "acknowledged: "); ok {
				acknowledged, err = strconv.Atoi(n)
				require.NoError(t, err)
				if seen++; seen == 3+2*round {
					require.NoError(t, cmd.Process.Kill())
				}
			}
		}
		require.Error(t, cmd.Wait(), "it was killed")
	}
	require.Greater(t, acknowledged, 6*3)

	file, err := journal.Open(path)
	require.NoError(t, err)
	defer file.Close()
	key, err := signature.NewKey(rand.NewChaCha8([32]byte{5}))
	require.NoError(t, err)
	s := &stubs{clock: clock.NewVirtual(start().Add(40 * 24 * time.Hour))}
	engine, err := engineOn(t, s, shipped(t), key, file, nil)
	require.NoError(t, err)
	defer engine.Close()
	require.NoError(t, s.clock.RunUntil(t.Context(), func() bool { return engine.Counts()[asl.Running] == 0 }))
	all := engine.Executions()
	require.Greater(t, len(all), acknowledged)
	for _, x := range all {
		require.Equal(t, asl.Succeeded, x.Status, x.Error)
		undisturbed(t, engine.History(x.ARN))
	}
}
