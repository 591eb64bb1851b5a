// Lets tests import `@inferno/plugin` without having it installed: node --import .../register.js --test

import { register } from "node:module";

register("./resolve.js", import.meta.url);
