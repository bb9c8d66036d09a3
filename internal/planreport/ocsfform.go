package planreport

import (
	"time"

	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// ocsfVersion is of the schema that findings follow: https://schema.ocsf.io/1.5.0/classes/detection_finding?profiles=cloud,datetime
const ocsfVersion = "1.5.0"

type severityID int

const (
	severityInformational severityID = iota + 1
	severityLow
	severityMedium
	severityHigh
)

var severityNames = map[severityID]string{
	severityInformational: "Informational", severityLow: "Low", severityMedium: "Medium", severityHigh: "High",
}

// finding is a Detection Finding. Times are milliseconds since 1970; those of the datetime profile say the same in words.
type finding struct {
	ActivityID   int         `json:"activity_id"`
	ActivityName string      `json:"activity_name"`
	CategoryUID  int         `json:"category_uid"`
	CategoryName string      `json:"category_name"`
	ClassUID     int         `json:"class_uid"`
	ClassName    string      `json:"class_name"`
	TypeUID      int         `json:"type_uid"`
	TypeName     string      `json:"type_name"`
	Time         int64       `json:"time"`
	TimeDT       time.Time   `json:"time_dt"`
	SeverityID   severityID  `json:"severity_id"`
	Severity     string      `json:"severity"`
	StatusID     int         `json:"status_id"`
	Status       string      `json:"status"`
	StatusCode   string      `json:"status_code"`
	StatusDetail string      `json:"status_detail"`
	Message      string      `json:"message"`
	RiskDetails  string      `json:"risk_details"`
	Metadata     metadata    `json:"metadata"`
	Cloud        cloud       `json:"cloud"`
	FindingInfo  findingInfo `json:"finding_info"`
	Resources    []resource  `json:"resources"`
	Remediation  remediation `json:"remediation"`
	Evidences    []evidence  `json:"evidences,omitempty"`
	Unmapped     unmapped    `json:"unmapped"`
}

type metadata struct {
	Version   string   `json:"version"`
	Profiles  []string `json:"profiles"`
	EventCode string   `json:"event_code"`
	Product   product  `json:"product"`
}

type product struct {
	Name       string `json:"name"`
	UID        string `json:"uid"`
	VendorName string `json:"vendor_name"`
	Version    string `json:"version"`
}

type cloud struct {
	Provider  string  `json:"provider"`
	Region    string  `json:"region"`
	Partition string  `json:"cloud_partition"`
	Account   account `json:"account"`
}

type account struct {
	Name   string `json:"name"`
	UID    string `json:"uid"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
}

type findingInfo struct {
	UID        string    `json:"uid"`
	Title      string    `json:"title"`
	Desc       string    `json:"desc"`
	Types      []string  `json:"types"`
	Analytic   analytic  `json:"analytic"`
	Sources    []string  `json:"data_sources,omitempty"`
	LastSeen   int64     `json:"last_seen_time"`
	LastSeenDT time.Time `json:"last_seen_time_dt"`
}

type analytic struct {
	UID    string `json:"uid"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
}

type resource struct {
	UID       string     `json:"uid"`
	UIDAlt    string     `json:"uid_alt,omitempty"`
	Name      string     `json:"name"`
	Type      string     `json:"type"`
	Region    string     `json:"region"`
	Partition string     `json:"cloud_partition"`
	Group     group      `json:"group"`
	Owner     *owner     `json:"owner,omitempty"`
	Labels    []string   `json:"labels,omitempty"`
	Created   int64      `json:"created_time,omitempty"`
	CreatedDT *time.Time `json:"created_time_dt,omitempty"`
}

type group struct {
	Name string `json:"name"`
}

type owner struct {
	Name   string `json:"name"`
	Email  string `json:"email_addr,omitempty"`
	Type   string `json:"type"`
	TypeID int    `json:"type_id"`
}

type remediation struct {
	Desc       string   `json:"desc"`
	References []string `json:"references"`
}

type evidence struct {
	Name string `json:"name"`
	Data answer `json:"data"`
}

// unmapped is what OCSF has no place for.
type unmapped struct {
	Verdict     sunset.Verdict      `json:"verdict"`
	Class       sunset.Class        `json:"class,omitempty"`
	ClassRule   string              `json:"class_rule,omitempty"`
	CodeManaged string              `json:"code_managed,omitempty"`
	MFA         string              `json:"mfa"`
	LastUse     string              `json:"last_use"`
	Credentials []sunset.Credential `json:"credentials,omitempty"`
	NamedBy     []sunset.Reference  `json:"named_by,omitempty"`
	LastSeen    *sunset.Activity    `json:"last_seen,omitempty"`
	Unused      string              `json:"unused_after"`
	Scan        string              `json:"scan"`
}
