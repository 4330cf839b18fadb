// SPDX-License-Identifier: Apache-2.0
// The StatsD daemon calls util.log, which Node.js no longer has from version 23 on.
'use strict';
const util = require('util');
if (util.log === undefined) util.log = console.log;
