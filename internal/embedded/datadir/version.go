package datadir

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// format is the form of directory that this code writes and reads.
const format = 1

// version is what version.json holds. Newer forms may have more fields, but always a format.
type version struct {
	Format  int       `json:"format"`
	Account string    `json:"account"`
	Region  string    `json:"region"`
	Made    time.Time `json:"made"`
}

func (v version) binding() Binding { return Binding{Account: v.Account, Region: v.Region} }

var (
	accountID = regexp.MustCompile(`^[0-9]{12}$`)
	// A region becomes part of ARNs.
	regionName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
)

func readVersion(path string) (version, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return version{}, sunset.Faultf(sunset.Invalid, "reading the data directory's version: %w", err)
	}
	var v version
	if err := json.Unmarshal(b, &v); err != nil {
		return version{}, sunset.Faultf(sunset.Invalid, "%s is damaged: %w", path, err)
	}
	if v.Format > format {
		return version{}, sunset.Faultf(sunset.Invalid, "%s is of form %d, and this iam-sunset knows form %d: a newer one has made it; upgrade iam-sunset", path, v.Format, format)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&version{}); err != nil {
		return version{}, sunset.Faultf(sunset.Invalid, "%s is damaged: %w", path, err)
	}
	if v.Format < 1 || !accountID.MatchString(v.Account) || !regionName.MatchString(v.Region) || v.Made.IsZero() {
		return version{}, sunset.Faultf(sunset.Invalid, "%s is damaged: it must say format, account, region and made", path)
	}
	return v, nil
}
