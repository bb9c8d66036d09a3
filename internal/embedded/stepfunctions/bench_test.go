package stepfunctions_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/embedded/asl"
	"github.com/iam-sunset/iam-sunset/internal/embedded/stepfunctions"
)

// BenchmarkOpenExecutions starts executions that wait, and tells what each costs while it does: memory, and no goroutine.
func BenchmarkOpenExecutions(b *testing.B) {
	const open = 5000
	d, err := asl.Load([]byte(soak))
	require.NoError(b, err)
	input := `{"case":{"userId":"AIDAEXAMPLE","name":"` + strings.Repeat("x", 400) + `"}}`
	for b.Loop() {
		engine, err := stepfunctions.New(stepfunctions.Config{
			Timers: clock.NewVirtual(start()), Name: "sunset", Region: "eu-west-1", AccountID: "123456789012",
			Definition: d,
			Invoke: func(context.Context, string, []byte) ([]byte, *stepfunctions.FunctionError, error) {
				return nil, nil, nil
			},
		})
		require.NoError(b, err)
		before, goroutines := heap(), runtime.NumGoroutine()
		for i := range open {
			body := fmt.Sprintf(`{"stateMachineArn": %q, "name": "e%d", "input": %q}`, engine.StateMachineARN(), i, input)
			r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
			r.Header.Set("X-Amz-Target", "AWSStepFunctions.StartExecution")
			signed(b, engine.Key(), r, body)
			w := httptest.NewRecorder()
			engine.ServeHTTP(w, r)
			require.Equal(b, http.StatusOK, w.Code, w.Body)
		}
		require.Equal(b, open, engine.Counts()[asl.Running])
		require.LessOrEqual(b, runtime.NumGoroutine(), goroutines)
		b.ReportMetric(float64(heap()-before)/open, "bytes/execution")
		engine.Close()
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
