package smb

// StatusName is statusName, for the tests that compare with others.
var StatusName = statusName
