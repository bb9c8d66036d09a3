package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iam-sunset/iam-sunset/internal/embedded/datadir"
)

// The address that the command prints signs in to a running serve, once, and never on the pages' port.
func TestServeHasADashboard(t *testing.T) {
	p := newPremises(t, "old-a")
	p.serve("", "--yes")
	address := strings.TrimSpace(p.does("dashboard"))
	require.True(t, strings.HasPrefix(address, p.engine()+"/dashboard/sign-in/"), address)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	asks := func(method, address string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, address, http.NoBody)
		require.NoError(t, err)
		resp, err := browser.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	status, body := asks(http.MethodGet, p.engine()+"/dashboard")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, body, "iam-sunset dashboard --engine "+p.engine())
	status, body = asks(http.MethodPost, address)
	require.Equal(t, http.StatusOK, status, "it leads to the overview")
	require.Contains(t, body, "No cleanup was ever started here")
	require.Contains(t, body, "Signed in as <code>arn:aws:sts::123456789012:assumed-role/Administrator/")
	status, _ = asks(http.MethodPost, address)
	require.Equal(t, http.StatusNotFound, status)

	b, err := os.ReadFile(filepath.Join(p.data, "engine.json"))
	require.NoError(t, err)
	var at datadir.Addresses
	require.NoError(t, json.Unmarshal(b, &at))
	status, _ = asks(http.MethodGet, at.Pages+"/dashboard/")
	require.Equal(t, http.StatusNotFound, status)
	require.NotContains(t, p.stderr.String(), address[strings.LastIndex(address, "/"):])
	p.stop()
	require.Zero(t, p.ended())
}
